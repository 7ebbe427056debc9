import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { reach } from './reach.ts';

interface SilentServer extends AsyncDisposable {
  readonly url: string;
  /** The next request's answer, which nobody gives. */
  asked(): Promise<ServerResponse>;
}

async function silentServer(): Promise<SilentServer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: async () => (await once(server, 'request'))[1] as ServerResponse,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a server that says nothing in time is not reached, nor is one that is not there', async () => {
  const server = await silentServer();
  await assert.rejects(reach(server.url, {}, 50), { code: 'offline', status: 0 });
  await server[Symbol.asyncDispose]();
  await assert.rejects(reach(server.url, {}), { code: 'offline' });
});

test('an answer that has begun may take its time', async (t) => {
  await using server = await silentServer();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const asked = server.asked();
  const reached = reach(server.url, {}, 1_000);
  const answer = await asked;
  answer.write('{');
  const response = await reached;
  t.mock.timers.tick(5_000);
  answer.end('}');
  assert.deepEqual(await response.json(), {});
});

test('whoever leaves gets their own error', async () => {
  await using server = await silentServer();
  const leave = new AbortController();
  const asked = reach(server.url, { signal: leave.signal }, 5_000);
  leave.abort();
  await assert.rejects(asked, { name: 'AbortError' });
});
