import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgentInfo } from '@clarateach/contract/agent-api';
import type { Worker } from './worker.ts';
import { createWorkerKeys } from './worker-keys.ts';

/** A worker whose agent has the keys that a test says, whatever it is told. */
function scene(theirs: string[], publicUrl: string | null = 'https://worker.example.org') {
  let nowMs = 0;
  let ours = ['old'];
  const told: string[] = [];
  const worker = {
    address: 'http://10.0.0.5:9090',
    state: 'up',
    agent: {
      async tellKeys(ids: readonly string[]) {
        told.push(ids.join(' '));
        return theirs;
      },
    },
  } as unknown as Worker;
  const keys = createWorkerKeys({
    ours: { ids: () => ours, signing: () => ours[0] ?? '' },
    now: () => nowMs,
    closing: new AbortController().signal,
    onError: (error) => assert.fail(String(error)),
  });
  return {
    keys,
    worker,
    told,
    change(next: string[]) {
      ours = next;
    },
    async beat(ids: string[]) {
      keys.heard(worker, { key_ids: ids, addresses: { public_url: publicUrl } } as unknown as AgentInfo);
      await new Promise(setImmediate);
      nowMs += 1_000;
    },
  };
}

describe('the keys of a worker', () => {
  it('are told at once when they change, and what it then has is known before its next heartbeat', async () => {
    const { keys, worker, told, change, beat } = scene(['next']);
    await beat(['old']);
    assert.deepEqual([told, keys.verifiesOurs(worker)], [[], true]);
    change(['next']);
    keys.tell(worker);
    assert.deepEqual([told, keys.verifiesOurs(worker)], [['next'], false]);
    await new Promise(setImmediate);
    assert.equal(keys.verifiesOurs(worker), true);
  });

  it('verify our tokens only with the one that signs now: an old one in common is not enough, and none is none', async () => {
    for (const [theirs, verifies] of [
      [['old'], false],
      [['next'], true],
      [[], false],
      [['theirs'], false],
    ] as const) {
      const { keys, worker, change, beat } = scene([]);
      change(['next', 'old']);
      await beat([...theirs]);
      assert.equal(keys.verifiesOurs(worker), verifies, theirs.join());
    }
  });

  it('are told to a worker that browsers reach and that has none yet', async () => {
    const { keys, worker, told, beat } = scene(['old']);
    await beat([]);
    await beat([]);
    assert.deepEqual([told, keys.verifiesOurs(worker)], [['old'], true]);
  });

  it('are told again by heartbeat where a change got lost, but not at the first difference', async () => {
    const { told, beat } = scene(['old']);
    await beat(['lost']);
    assert.deepEqual(told, []);
    await beat(['lost']);
    assert.deepEqual(told, ['old']);
    await beat(['old']);
    assert.equal(told.length, 1);
  });

  it('are another installation’s business where it stays with its own, and none’s where no browser comes', async () => {
    const foreign = scene(['theirs']);
    for (let second = 0; second < 600; second++) await foreign.beat(['theirs']);
    assert.ok(foreign.told.length > 5 && foreign.told.length < 20, String(foreign.told.length));
    const without = scene([], null);
    for (let second = 0; second < 5; second++) await without.beat([]);
    assert.deepEqual(without.told, []);
  });
});
