import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgentInfo } from '@clarateach/contract/agent-api';
import type { Worker } from './worker.ts';
import { createWorkerKeys } from './worker-keys.ts';

/** A worker whose agent has the keys that a test says, whatever it is told. */
function scene(theirs: string[]) {
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
    ours: () => ours,
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
      keys.heard(worker, { key_ids: ids } as unknown as AgentInfo);
      await new Promise(setImmediate);
      nowMs += 1_000;
    },
  };
}

describe('the keys of a worker', () => {
  it('are told at once when they change, and what it then has is known before its next heartbeat', async () => {
    const { keys, worker, told, change, beat } = scene(['next']);
    await beat(['old']);
    assert.deepEqual([told, keys.of(worker)], [[], ['old']]);
    change(['next']);
    keys.tell(worker);
    assert.deepEqual(told, ['next']);
    await new Promise(setImmediate);
    assert.deepEqual(keys.of(worker), ['next']);
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

  it('are another installation’s business where it stays with its own, and none where it has none', async () => {
    const foreign = scene(['theirs']);
    for (let second = 0; second < 600; second++) await foreign.beat(['theirs']);
    assert.ok(foreign.told.length > 5 && foreign.told.length < 20, String(foreign.told.length));
    const without = scene([]);
    for (let second = 0; second < 5; second++) await without.beat([]);
    assert.deepEqual(without.told, []);
  });
});
