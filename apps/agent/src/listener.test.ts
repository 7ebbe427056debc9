import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { describe, it } from 'node:test';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { remoteAgent } from '@clarateach/seats/providers/remote';
import { listen } from './listener.ts';
import { TOKEN, testAgent } from './testing.ts';

const { signal } = new AbortController();

async function freePort(): Promise<number> {
  const { server, port } = await listen({ host: '127.0.0.1', port: 0, connectionsPerAddress: 0 });
  server.close();
  await once(server, 'close');
  return port;
}

describe('an agent that starts', () => {
  it('says so to whoever asks before it can answer', { timeout: 30_000 }, async () => {
    const port = await freePort();
    const address = `http://127.0.0.1:${port}`;
    const gate = Promise.withResolvers<void>();
    const provider = instantProvider();
    const isUp = Promise.withResolvers<void>();
    const starting = testAgent(
      {
        ...provider,
        async list(look) {
          isUp.resolve();
          await gate.promise;
          return provider.list(look);
        },
      },
      { env: { PORT: String(port) } },
    );
    try {
      await isUp.promise;
      const answer = await fetch(`${address}/health`);
      const { error } = (await answer.json()) as { error: { code: string; message: string } };
      assert.deepEqual(
        [answer.status, answer.headers.get('retry-after'), error.code],
        [503, '1', 'unreachable'],
      );
      assert.match(error.message, /starting/);
      await assert.rejects(remoteAgent({ address, token: TOKEN }).inspect(signal), {
        kind: 'unreachable',
        message: /The agent is starting/,
      });
      const upgrade = request(`${address}/proxy/ws-abcd2345/1/terminal`, {
        headers: { connection: 'Upgrade', upgrade: 'websocket' },
      }).end();
      const [refusal] = await once(upgrade, 'response');
      assert.equal(refusal.statusCode, 503);
      refusal.resume();
    } finally {
      gate.resolve();
      const agent = await starting;
      assert.equal((await fetch(`${address}/health`)).status, 200);
      await agent.close();
    }
  });
});
