import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { AgentInfo } from '@clarateach/contract/agent-api';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { openRevocations, savedRevocations } from './revocations.ts';
import { savedJson } from './saved-json.ts';
import { testAgent } from './testing.ts';

const HOUR_MS = 60 * 60 * 1000;
const entry = (before: number, expires_at = Date.now() + HOUR_MS) => ({
  workshop_id: 'ws-abcd2345',
  odehash: 'LEARNERA',
  before,
  expires_at,
});

describe('the revocations of an agent', () => {
  it('are taken from the server alone, and told by a digest', async () => {
    const agent = await testAgent(instantProvider());
    try {
      const digest = async () => ((await (await agent.call('GET', '/info')).json()) as AgentInfo).revocations;
      const empty = await digest();
      const body = JSON.stringify({ revocations: [entry(10)] });
      const stranger = await fetch(`http://127.0.0.1:${agent.port}/revocations`, { method: 'PUT', body });
      assert.equal(stranger.status, 401);
      assert.equal((await agent.call('PUT', '/revocations', { revocations: [entry(-1)] })).status, 400);
      assert.equal(await digest(), empty);
      assert.equal((await agent.call('PUT', '/revocations', { revocations: [entry(10)] })).status, 204);
      const told = await digest();
      assert.notEqual(told, empty);
      // A server that has not heard of it yet takes nothing back.
      assert.equal((await agent.call('PUT', '/revocations', { revocations: [] })).status, 204);
      assert.equal(await digest(), told);
    } finally {
      await agent.close();
    }
  });

  it('outlive a restart, until no such token could be good', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'clarateach-revocations-'));
    try {
      let now = Date.now();
      const open = () =>
        openRevocations({ saved: savedJson(join(directory, 'r.json'), savedRevocations), now: () => now });
      const first = await open();
      await first.take(savedRevocations.parse({ revocations: [entry(10)] }));
      const again = await open();
      assert.equal(again.list.digest(), first.list.digest());
      assert.equal(again.list.entries().length, 1);
      now += 2 * HOUR_MS;
      assert.deepEqual((await open()).list.entries(), []);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
