import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { brotliCompressSync } from 'node:zlib';
import { type TestServer, testServer } from '../testing/server.ts';
import { securityHeaders } from './security-headers.ts';

const PAGE = '<!doctype html><title>ClaraTeach</title>';
const PAGE_FILE = PAGE.replace('<title>', '<meta property="csp-nonce" nonce="__CSP_NONCE__"><title>');
const SCRIPT = 'console.log("a script");';

describe('the web app', () => {
  let directory: string;
  let server: TestServer;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-web-'));
    await mkdir(join(directory, 'assets'));
    await writeFile(join(directory, 'index.html'), PAGE_FILE);
    await writeFile(join(directory, 'icon.svg'), '<svg/>');
    await writeFile(join(directory, 'assets', 'main-abc123.js'), SCRIPT);
    await writeFile(join(directory, 'assets', 'main-abc123.js.br'), brotliCompressSync(SCRIPT));
    server = await testServer({ overrides: { webDirectory: directory } });
  });
  after(async () => {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });
  const get = (path: string, headers: Record<string, string> = {}) =>
    server.anyone.request('GET', path, undefined, headers);

  it('answers every address of a page with the page, which is asked for again', async () => {
    for (const path of ['/', '/join/ABC234', '/workshops/ws-abcdefgh?tab=1', '/sign-in?error=link']) {
      for (const accept of ['text/html,application/xhtml+xml', '*/*']) {
        const response = await get(path, { accept });
        const text = (await response.text()).replace(/<meta [^>]+>/, '');
        assert.deepEqual([response.status, text], [200, PAGE], path);
        assert.match(response.headers.get('content-type') ?? '', /^text\/html/);
        assert.equal(response.headers.get('cache-control'), 'no-cache');
      }
    }
  });

  it('sends assets compressed, to be kept for good', async () => {
    const response = await get('/assets/main-abc123.js', { 'accept-encoding': 'br' });
    assert.equal(response.headers.get('content-encoding'), 'br');
    assert.equal(await response.text(), SCRIPT);
    assert.equal(response.headers.get('cache-control'), 'public, max-age=31536000, immutable');
    assert.match(response.headers.get('content-type') ?? '', /javascript/);
    assert.equal((await get('/icon.svg')).headers.get('cache-control'), 'no-cache');
  });

  it('never answers with the page what is no page', async () => {
    for (const path of ['/assets/gone.js', '/gone.png', '/api/gone', '/debug/gone', '/.well-known/gone']) {
      const response = await get(path, { accept: 'text/html' });
      assert.equal(response.status, 404, path);
      assert.match(await response.text(), /"code":"not_found"/);
    }
    assert.equal((await get('/join', { accept: 'application/json' })).status, 404);
    assert.equal((await server.anyone.request('POST', '/join', {})).status, 404);
    for (const path of ['/..%2f..%2fetc/passwd', '/assets/%2e%2e/%2e%2e/package.json', '/%00']) {
      const text = await (await get(path, { accept: 'text/html' })).text();
      assert.doesNotMatch(text, /root:|"dependencies"/, path);
    }
  });

  it('comes with headers that keep other sites and scripts out', async () => {
    const { headers } = await get('/');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    const policy = headers.get('content-security-policy') ?? '';
    assert.match(policy, /script-src 'self' 'nonce-[\w-]{22}';/);
    assert.match(policy, /script-src-attr 'none'/);
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.match(headers.get('permissions-policy') ?? '', /camera=\(\)/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /frame-src http:\/\/\*\.localhost:\*/);
    assert.equal(headers.get('strict-transport-security'), null);
    const secure = securityHeaders({
      publicUrl: 'https://teach.example.org',
      domain: 'teach.example.org',
    });
    assert.match(secure['content-security-policy'], /frame-src https:\/\/\*\.teach\.example\.org;/);
    assert.match(secure['content-security-policy'], /wss:\/\/\*\.teach\.example\.org/);
    assert.ok(secure['strict-transport-security']);
  });

  it('gives the page a nonce of its own in each answer, and no other style acts', async () => {
    const seen = new Set<string>();
    for (let time = 0; time < 3; time++) {
      const response = await get('/', { accept: 'text/html' });
      const policy = response.headers.get('content-security-policy') ?? '';
      const nonce = /style-src 'self' 'nonce-([\w-]{22})'/.exec(policy)?.[1] ?? '';
      assert.ok((await response.text()).includes(`nonce="${nonce}"`));
      assert.doesNotMatch(policy.replace(/style-src-attr [^;]+/, ''), /unsafe-/);
      seen.add(nonce);
    }
    assert.equal(seen.size, 3);
    assert.equal((await get('/index.html')).status, 404);
    const api = (await get('/api/health')).headers.get('content-security-policy') ?? '';
    assert.match(api, /default-src 'none'/);
  });

  it('that is not built says so, and the API works', async () => {
    const bare = await testServer({ overrides: { webDirectory: join(directory, 'none') } });
    const response = await bare.anyone.request('GET', '/');
    assert.equal(response.status, 503);
    assert.match(await response.text(), /not built/);
    assert.equal((await bare.anyone.request('GET', '/api/health')).status, 200);
    await bare.close();
  });
});
