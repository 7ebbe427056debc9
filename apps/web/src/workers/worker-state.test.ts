import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkerView } from '@clarateach/contract/health';
import { bySituation, situationOf } from './worker-state.ts';

const worker = (address: string, state: WorkerView['state'], draining = false): WorkerView => ({
  address,
  state,
  draining,
  problem: '',
  publicUrl: null,
  runtime: 'local',
  version: '0.1.0',
  capacity: 5,
  seatCount: 0,
  heardAt: null,
  movesAt: null,
  seats: [],
});

test('workers that need somebody stand first, the rest in their order', () => {
  const seen = [
    worker('a', 'up'),
    worker('b', 'down'),
    worker('c', 'up', true),
    worker('d', 'refused'),
    worker('e', 'up'),
  ];
  assert.deepEqual(
    bySituation(seen).map(({ address }) => address),
    ['b', 'd', 'c', 'a', 'e'],
  );
  // What a worker said before it fell silent says nothing of it now.
  assert.equal(situationOf(worker('f', 'down', true)), 'down');
});
