import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { listen } from '@clarateach/gateway/testing';
import { type HostileRoom, hostileRoom } from './room.ts';
import { bearer, say, sayBytes } from './wire.ts';

/** Holds connections open that say nothing, and tells how many of them the server keeps. */
async function kept(port: number, count: number): Promise<{ open: number; sockets: Socket[] }> {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'));
  await Promise.all(
    sockets.map(async (socket) => {
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      // A refused one hears so at once; one that is kept answers.
      socket.write('GET /api/health HTTP/1.1\r\nHost: a\r\n\r\n');
      await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    }),
  );
  const answers = await Promise.all(
    sockets.map((socket) => !socket.destroyed && socket.readyState === 'open'),
  );
  return { open: answers.filter(Boolean).length, sockets };
}

describe('amounts in a hostile room', () => {
  it('one address holds so many connections, and the others of a class still come in', async () => {
    await using room: HostileRoom = await hostileRoom({ env: { MAX_CONNECTIONS_PER_ADDRESS: '40' } });
    const { sockets } = await kept(room.server.port, 80);
    const refused = await sayBytes(room.base, 'GET /api/health HTTP/1.1\r\nHost: a\r\n\r\n');
    assert.match(refused, /^HTTP\/1\.1 429 /);
    for (const socket of sockets) socket.destroy();
    const deadline = Date.now() + 5_000;
    let status = 0;
    while (status !== 200 && Date.now() < deadline) {
      status = (await say(room.base, '/api/health').catch(() => ({ status: 0 }))).status;
    }
    assert.equal(status, 200);
  });

  it('headers, addresses and bodies end where they should', async () => {
    await using room: HostileRoom = await hostileRoom();
    const { base, ben } = room;
    const json = { ...bearer(ben.token), 'content-type': 'application/json' };
    const large = JSON.stringify({ name: 'x'.repeat(2 * 1024 * 1024), seats: 1 });
    const statusOf = async (head: string) => /^HTTP\/1\.1 (\d+)/.exec(await sayBytes(base, head))?.[1];
    assert.equal(
      (await say(base, '/api/workshops', { method: 'POST', headers: json, body: large })).status,
      413,
    );
    assert.equal(await statusOf(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), '431');
    assert.equal(await statusOf(`GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`), '431');
    assert.equal(await statusOf('GET / HTTP/1.1\r\n\r\n'), '400');
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    assert.equal(
      (await say(base, '/api/workshops', { method: 'POST', headers: json, body: deep })).status,
      400,
    );
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', '']) {
      const headers = { ...bearer(ben.token), 'content-type': type };
      const { status } = await say(base, '/api/workshops', {
        method: 'POST',
        headers,
        body: '{"name":"a","seats":1}',
      });
      assert.equal(status, 400, `a form of another site cannot send ${type || 'no type'}`);
    }
  });

  it('a session is a cookie that no script reads, no other site sends and, on TLS, no plain line carries', async () => {
    for (const [url, secure] of [
      ['https://teach.example.org', true],
      ['http://localhost:8080', false],
    ] as const) {
      await using room: HostileRoom = await hostileRoom({ env: { PUBLIC_URL: url } });
      const { pathname, search } = new URL(await room.server.linkFor('ann@example.org'));
      const answer = await say(room.base, pathname + search);
      const cookies = ([] as string[]).concat(answer.headers['set-cookie'] ?? []);
      assert.ok(cookies.length > 0);
      for (const cookie of cookies) {
        assert.match(cookie, /; ?HttpOnly/i);
        assert.match(cookie, /; ?SameSite=(Lax|Strict)/i);
        assert.match(cookie, /; ?Path=\/(;|$)/i);
        assert.doesNotMatch(cookie, /; ?Domain=/i);
        assert.equal(/; ?Secure/i.test(cookie), secure, cookie);
      }
    }
  });

  it('the check notices a server that takes every connection', async () => {
    const server = createServer((_request, response) => response.end('ok'));
    const port = await listen(server);
    const { open, sockets } = await kept(port, 80);
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    server.close();
    assert.equal(open, 80);
  });
});
