import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { type ClientLimits, limitClients, SERVER_LIMITS } from './client-limits.ts';
import { ask, listen, raw, until } from './testing.ts';

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.closeAllConnections();
  for (const server of servers) server.close();
});

async function limited(limits: ClientLimits, settings = {}): Promise<number> {
  const server = createServer({ ...SERVER_LIMITS, ...settings }, (request, response) => {
    if (request.url === '/large') response.end(Buffer.alloc(64 * 1024 * 1024));
    else request.resume().on('end', () => response.end('done'));
  });
  limitClients(server, limits);
  servers.push(server);
  return listen(server);
}

describe('limits of clients', () => {
  test('one address has so many connections, and has them again when others end', async () => {
    const port = await limited({ connectionsPerAddress: 3 });
    const held: Socket[] = [];
    for (let count = 0; count < 3; count++) {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      held.push(socket);
    }
    const refused = raw(port, '');
    await until('the fourth is refused', () => refused.closed());
    assert.match(refused.received(), /^HTTP\/1\.1 429 .*Retry-After: 5/s);
    held.pop()?.destroy();
    await until('one is free', () => held.length === 2);
    await assert.doesNotReject(async () => {
      for (let tries = 0; tries < 100; tries++) {
        const answer = await ask(port, '/').catch(() => undefined);
        if (answer?.status === 200) return;
      }
      throw new Error('never free');
    });
    for (const socket of held) socket.destroy();
  });

  test('a body that drips is answered 408 and ended; one that flows is not', async () => {
    const port = await limited({ connectionsPerAddress: 0, graceMs: 200, slowestBytesPerSecond: 1000 });
    const slow = raw(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n');
    const drip = setInterval(() => slow.socket.writable && slow.socket.write('x'), 50);
    const fast = raw(
      port,
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 100000\r\n\r\n',
    );
    let sent = 0;
    const flow = setInterval(() => {
      sent += 5000;
      fast.socket.write('x'.repeat(5000));
      if (sent === 100_000) clearInterval(flow);
    }, 30);
    await until('the slow one is ended', () => slow.closed());
    clearInterval(drip);
    assert.match(slow.received(), /^HTTP\/1\.1 408 /);
    await until('the other is done', () => fast.received().includes('done'));
  });

  test('headers that never end, and a connection that says nothing, are ended', async () => {
    const port = await limited(
      { connectionsPerAddress: 0 },
      { headersTimeout: 200, requestTimeout: 400, connectionsCheckingInterval: 50 },
    );
    const silent = raw(port, '');
    const slow = raw(port, 'GET / HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => slow.socket.writable && slow.socket.write('a: b\r\n'), 20);
    await until('both are ended', () => silent.closed() && slow.closed());
    clearInterval(drip);
  });

  test('an answer that nobody takes in is ended', async () => {
    const port = await limited({ connectionsPerAddress: 0, stalledAfterMs: 200 });
    const socket = connect(port, '127.0.0.1');
    const ended = once(socket, 'close');
    socket.on('error', () => undefined);
    socket.pause();
    socket.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n');
    // Paused, it would not hear of its end; it reads again when the server has had its time.
    const server = servers.at(-1) as Server;
    const [, response] = (await once(server, 'request')) as [unknown, { destroyed: boolean }];
    await until('the server gives up', () => response.destroyed);
    socket.resume();
    await ended;
  });
});
