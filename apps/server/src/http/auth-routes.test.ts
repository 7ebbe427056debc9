import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ErrorBody } from '@clarateach/contract/errors';
import { type TestServer, testServer } from '../testing/server.ts';

const ADMIN = { name: 'Ann', email: 'ann@example.org', password: 'correct horse battery' };

describe('signing in', () => {
  let server: TestServer;
  before(async () => {
    server = await testServer({});
  });
  after(() => server.close());

  const open = (link: string) => {
    const { pathname, search } = new URL(link);
    return server.anyone.request('GET', pathname + search);
  };
  const signIn = (password: string, headers: Record<string, string> = {}) =>
    server.anyone.request('POST', '/api/auth/sign-in/email', { email: ADMIN.email, password }, headers);

  it('the first time goes by a link: once, and not by looking at it', async () => {
    const link = server.signInUrl ?? '';
    assert.ok(link.startsWith(`${server.url}/api/auth/link?token=`));
    const { pathname, search } = new URL(link);
    assert.equal((await server.anyone.request('HEAD', pathname + search)).status, 405);
    const response = await open(link);
    assert.deepEqual([response.status, response.headers.get('location')], [303, '/']);
    assert.match(
      response.headers.get('set-cookie') ?? '',
      /^clarateach-session=[^;]+;.*HttpOnly; SameSite=Lax/,
    );
    assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    for (const stale of [link, `${server.url}/api/auth/link?token=x`, `${server.url}/api/auth/link`]) {
      const refused = await open(stale);
      assert.deepEqual([refused.status, refused.headers.get('location')], [303, '/sign-in?error=link']);
      assert.equal(refused.headers.get('set-cookie'), null);
    }
    const cookie = (response.headers.getSetCookie()[0] ?? '').split(';', 1)[0] ?? '';
    const admin = server.as({ cookie });
    const me = await admin.json(200, 'GET', '/api/account');
    assert.deepEqual([me.role, me.hasPassword], ['admin', false]);
    assert.equal((await admin.json(200, 'PUT', '/api/account', ADMIN)).hasPassword, true);
  });

  it('goes by e-mail and password afterwards, and out again', async () => {
    const response = await signIn(ADMIN.password, { origin: server.url });
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { signedIn: true });
    const cookie = (response.headers.getSetCookie()[0] ?? '').split(';', 1)[0] ?? '';
    const person = server.as({ cookie });
    assert.equal((await person.json(200, 'GET', '/api/account')).email, ADMIN.email);
    const out = await person.request('POST', '/api/auth/sign-out', {});
    assert.equal(out.status, 200);
    assert.match(out.headers.get('set-cookie') ?? '', /Max-Age=0/);
    assert.equal((await person.request('GET', '/api/account')).status, 401);
  });

  it('is nothing that a page of another site can do', async () => {
    const foreign = await signIn(ADMIN.password, { origin: 'https://evil.example.org' });
    assert.equal(((await foreign.json()) as ErrorBody).error.code, 'foreign_origin');
  });

  it('says nothing of what was wrong, and is slowed after some tries', async () => {
    const codes: string[] = [];
    for (let i = 0; i < 7; i++) {
      const response = await signIn(`wrong ${i}`);
      const { error } = (await response.json()) as ErrorBody;
      codes.push(error.code);
      if (error.code === 'too_many_attempts') {
        assert.equal(response.status, 429);
        assert.ok(Number(response.headers.get('retry-after')) >= 1);
      } else assert.equal(response.status, 401);
    }
    assert.equal(codes.filter((code) => code === 'unauthenticated').length, 5);
    const empty = await server.anyone.request('POST', '/api/auth/sign-in/email', { email: 'x' });
    assert.deepEqual([empty.status, ((await empty.json()) as ErrorBody).error.field], [400, 'password']);
  });

  it('has no other doors: nobody signs up by themselves', async () => {
    for (const path of [
      'sign-up/email',
      'update-user',
      'change-password',
      'delete-user',
      'magic-link/verify',
    ]) {
      const response = await server.anyone.request('POST', `/api/auth/${path}`, ADMIN);
      assert.equal(response.status, 404, path);
    }
  });
});
