import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seatSpec } from './spec.ts';
import type { SeatWork } from './store.ts';

const envOf = (apiKeySealed: string | null, injectApiKey: 0 | 1) =>
  seatSpec(
    {
      row: { workshopId: 'ws-abcd1234', seat: 3 },
      workshop: { image: null, runtime: 'docker', apiKeySealed, injectApiKey },
    } as unknown as SeatWork,
    { open: (sealed) => `opened ${sealed}` },
  ).env;

test('a key is put into the seat only where the workshop says so', () => {
  assert.deepEqual(envOf('key', 0), { SEAT: '3' });
  assert.deepEqual(envOf(null, 1), { SEAT: '3' });
  assert.deepEqual(envOf('key', 1), {
    SEAT: '3',
    CLAUDE_API_KEY: 'opened key',
    ANTHROPIC_API_KEY: 'opened key',
  });
});

test('a seat has the memory that is said of its runtime', () => {
  const memoryOf = (runtime: string) =>
    seatSpec(
      {
        row: { workshopId: 'ws-abcd1234', seat: 3 },
        workshop: { image: null, runtime, apiKeySealed: null, injectApiKey: 0 },
      } as unknown as SeatWork,
      { open: (sealed) => sealed },
    ).limits.memoryMiB;
  assert.deepEqual(['docker', 'local', 'firecracker'].map(memoryOf), [1024, 1024, 512]);
});
