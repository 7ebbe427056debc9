import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorBody } from '@clarateach/contract/errors';
import { type TestServer, testServer } from '../testing/server.ts';

const PASSWORD = 'correct horse battery';

async function withServer(env: Record<string, string>, work: (server: TestServer) => Promise<void>) {
  const server = await testServer({ env });
  try {
    await work(server);
  } finally {
    await server.close();
  }
}

/** The token in the newest mail that the server showed. */
async function printedToken({ printed }: TestServer): Promise<string> {
  const deadline = Date.now() + 5_000;
  for (;;) {
    const token = /enter#([\w-]+)/.exec(printed.pop() ?? '')?.[1];
    if (token !== undefined) return token;
    if (Date.now() > deadline) throw new Error('No link was shown.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('ways in over HTTP', () => {
  it('show links on the machine of somebody who develops, beside the log', () =>
    withServer({ SIGN_UP: 'open' }, async (server) => {
      const { anyone } = server;
      assert.deepEqual(await anyone.json(200, 'GET', '/api/auth/ways'), {
        mail: true,
        signUp: { open: true, domains: [] },
        provider: null,
      });
      const asked = { name: 'Bob', email: 'bob@example.org' };
      assert.deepEqual(await anyone.json(202, 'POST', '/api/auth/sign-up', asked), { sent: true });
      const token = await printedToken(server);
      const look = await anyone.json(200, 'POST', '/api/auth/link/look', { token });
      assert.deepEqual(look, { purpose: 'sign-up', email: 'bob@example.org', name: 'Bob' });
      const foreign = { origin: 'https://evil.example.org' };
      const body = { token, name: 'Bob', password: PASSWORD };
      assert.equal((await anyone.request('POST', '/api/auth/link/open', body, foreign)).status, 403);
      assert.equal((await anyone.request('POST', '/api/auth/sign-up', asked, foreign)).status, 403);
      const short = await anyone.request('POST', '/api/auth/link/open', { ...body, password: 'short' });
      assert.equal(short.status, 400);
      assert.equal(((await short.json()) as ErrorBody).error.field, 'password');
      const opened = await anyone.request('POST', '/api/auth/link/open', body);
      assert.equal(opened.status, 200);
      const cookies = opened.headers.getSetCookie();
      assert.ok(cookies.every((cookie) => /HttpOnly; SameSite=Lax/.test(cookie)));
      const bob = server.as({ cookie: cookies.map((cookie) => cookie.split(';', 1)[0]).join('; ') });
      assert.equal((await bob.json(200, 'GET', '/api/account')).name, 'Bob');
      const again = await anyone.request('POST', '/api/auth/link/open', body);
      assert.equal(((await again.json()) as ErrorBody).error.code, 'not_found');
      assert.ok(!server.logLines.join().includes(token));
      // What Bob is not: an admin.
      assert.equal((await bob.request('GET', '/api/admin/people')).status, 403);
      const { sessions } = await bob.json<{ sessions: { current: boolean; address: string }[] }>(
        200,
        'GET',
        '/api/account/sessions',
      );
      assert.deepEqual(
        sessions.map(({ current, address }) => [current, address]),
        [[true, '127.0.0.1']],
      );
    }));

  it('are not offered where no mail can be sent, nor by an answer that tells who has an account', () =>
    withServer({ PUBLIC_URL: 'https://teach.example.org' }, async ({ anyone, printed }) => {
      const ways = await anyone.json<{ mail: boolean; signUp: { open: boolean } }>(
        200,
        'GET',
        '/api/auth/ways',
      );
      assert.deepEqual([ways.mail, ways.signUp.open], [false, false]);
      for (const path of ['mail-link', 'forgotten']) {
        const response = await anyone.request('POST', `/api/auth/${path}`, { email: 'ann@example.org' });
        assert.equal(response.status, 403);
        assert.match(((await response.json()) as ErrorBody).error.message, /sends no mail/);
      }
      assert.deepEqual(printed, []);
    }));

  it('answer an address that is known as they answer any other', () =>
    withServer({}, async (server) => {
      const admin = await server.signedIn(server.signInUrl ?? '');
      const ann = { name: 'Ann', email: 'ann@example.org', password: PASSWORD };
      await admin.json(200, 'PUT', '/api/account', ann);
      await admin.json(200, 'POST', '/api/auth/link/open', { token: await printedToken(server) });
      const answers: string[] = [];
      for (const email of [ann.email, 'nobody@example.org']) {
        const response = await server.anyone.request('POST', '/api/auth/mail-link', { email });
        const { date, 'x-request-id': _id, ...headers } = Object.fromEntries(response.headers);
        answers.push(JSON.stringify([response.status, headers, await response.text()]));
      }
      assert.equal(answers[0], answers[1]);
      const token = await printedToken(server);
      assert.equal(
        (await server.anyone.json(200, 'POST', '/api/auth/link/look', { token })).email,
        ann.email,
      );
    }));

  it('slow wrong passwords with Retry-After', () =>
    withServer({}, async (server) => {
      const statuses: number[] = [];
      let retryAfter: string | null = null;
      for (let guess = 0; guess < 6; guess++) {
        const response = await server.anyone.request('POST', '/api/auth/sign-in/email', {
          email: 'ann@example.org',
          password: `wrong password ${guess}`,
        });
        statuses.push(response.status);
        retryAfter = response.headers.get('retry-after');
      }
      assert.deepEqual(statuses, [401, 401, 401, 401, 401, 429]);
      assert.ok(Number(retryAfter) > 0 && Number(retryAfter) <= 12, String(retryAfter));
    }));
});
