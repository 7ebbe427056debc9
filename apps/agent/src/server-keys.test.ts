import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { agentKeys } from '@clarateach/contract/agent-api';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { testAgent } from './testing.ts';

const WORKSHOP = 'ws-abcd2345';
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

function keyNamed(kid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const now = Math.floor(Date.now() / 1000);
  const content = `${encode({ alg: 'RS256', typ: 'JWT', kid })}.${encode({
    iss: 'clarateach',
    aud: 'clarateach-seat',
    jti: kid,
    iat: now,
    exp: now + 3600,
    workshopId: WORKSHOP,
    seat: 1,
    odehash: 'LEARNERA',
    containerId: `clarateach-${WORKSHOP}-seat-01`,
    vmIp: '',
  })}`;
  return {
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' },
    token: `${content}.${sign('RSA-SHA256', Buffer.from(content), privateKey).toString('base64url')}`,
  };
}

/** What agents fetch keys from, with the keys that a test says. */
async function keyServer(first: readonly object[]) {
  let keys = first;
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.end(JSON.stringify({ keys }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: () => asked,
    say(next: readonly object[]) {
      keys = next;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('the keys of an agent', () => {
  it('are fetched when the server names others, and one that has ended verifies nothing when that is answered', async () => {
    await using stage = new AsyncDisposableStack();
    const [old, next] = [keyNamed('old'), keyNamed('next')];
    const server = stage.adopt(await keyServer([old.jwk]), (each) => each.close());
    const agent = stage.adopt(
      await testAgent(instantProvider(), { env: { SERVER_URL: server.url } }),
      (each) => each.close(),
    );
    /** 401 is the word on the token; what else comes is about the seat, which is not there. */
    const isRefused = async (token: string) => {
      const files = `http://127.0.0.1:${agent.port}/debug/proxy/${WORKSHOP}/vm/1/files?path=.`;
      const { status } = await fetch(files, { headers: { authorization: `Bearer ${token}` } });
      return status === 401;
    };
    const tell = async (...key_ids: string[]) => {
      const response = await agent.call('PUT', '/keys', { key_ids });
      assert.equal(response.status, 200);
      return agentKeys.parse(await response.json()).key_ids;
    };
    assert.deepEqual([await isRefused(old.token), await isRefused(next.token)], [false, true]);

    const before = server.asked();
    assert.deepEqual(await tell('old'), ['old']);
    assert.equal(server.asked(), before);
    server.say([next.jwk]);
    assert.deepEqual(await tell('next'), ['next']);
    assert.deepEqual([await isRefused(old.token), await isRefused(next.token)], [true, false]);

    // Names alone make no key good, whoever says them.
    assert.deepEqual(await tell('old'), ['next']);
    assert.equal(await isRefused(old.token), true);
    const stranger = await fetch(`http://127.0.0.1:${agent.port}/keys`, { method: 'PUT', body: '{}' });
    assert.equal(stranger.status, 401);
    assert.equal((await agent.call('PUT', '/keys', { key_ids: 7 })).status, 400);
  });

  it('are fetched again when the server that is asked hears of them a little later', async () => {
    await using stage = new AsyncDisposableStack();
    const [old, next] = [keyNamed('old'), keyNamed('next')];
    const server = stage.adopt(await keyServer([old.jwk]), (each) => each.close());
    const agent = stage.adopt(
      await testAgent(instantProvider(), { env: { SERVER_URL: server.url } }),
      (each) => each.close(),
    );
    const before = server.asked();
    const told = agent.call('PUT', '/keys', { key_ids: ['next'] });
    const deadline = Date.now() + 5_000;
    while (server.asked() === before && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    server.say([next.jwk]);
    assert.deepEqual(await (await told).json(), { key_ids: ['next'] });
  });

  it('are none where it has no server, and it says so', async () => {
    const agent = await testAgent(instantProvider());
    try {
      assert.deepEqual(await (await agent.call('PUT', '/keys', { key_ids: ['next'] })).json(), {
        key_ids: [],
      });
    } finally {
      await agent.close();
    }
  });
});
