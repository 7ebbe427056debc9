import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type TestServer, testServer } from '../testing/server.ts';

describe('a known path with another method', () => {
  let server: TestServer;
  before(async () => {
    server = await testServer({});
  });
  after(() => server.close());

  it('is 405 and names the methods that there are', async () => {
    for (const [method, path, allow] of [
      ['POST', '/api/health', 'GET, OPTIONS'],
      ['GET', '/api/join', 'POST, OPTIONS'],
      ['PUT', '/api/workshops', 'GET, POST, OPTIONS'],
      ['PATCH', '/api/workshops/ws-abcdefgh', 'GET, DELETE, OPTIONS'],
      ['HEAD', '/api/auth/link', 'GET, OPTIONS'],
      ['DELETE', '/.well-known/jwks.json', 'GET, OPTIONS'],
      ['DELETE', '/api/session/renew', 'POST, GET, OPTIONS'],
      ['POST', '/metrics', 'GET, OPTIONS'],
    ] as const) {
      const response = await server.anyone.request(
        method,
        path,
        method === 'HEAD' || method === 'GET' ? undefined : '{',
      );
      assert.equal(response.status, 405, `${method} ${path}`);
      assert.equal(response.headers.get('allow'), allow, `${method} ${path}`);
      if (method !== 'HEAD') assert.match(await response.text(), /"code":"method_not_allowed"/);
    }
  });

  it('is answered where a wider path has the method', async () => {
    const response = await server.anyone.request('GET', '/api/session/renew');
    assert.match(await response.text(), /"code":"unknown_code"/);
  });

  it('leaves unknown paths unknown', async () => {
    for (const method of ['GET', 'POST']) {
      assert.equal((await server.anyone.request(method, '/api/nothing')).status, 404);
    }
  });
});
