import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limiter } from './limiter.ts';

test('no more run at once than allowed, in the order they came, and a failure frees its place', async () => {
  const limited = limiter(2);
  const started: number[] = [];
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const results = gates.map(({ promise }, index) =>
    limited(async () => {
      started.push(index);
      await promise;
      return index;
    }),
  );
  const settled = Promise.allSettled(results);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(started, [0, 1]);
  gates[1]?.reject(new Error('failed'));
  await assert.rejects(results[1] as Promise<number>, /failed/);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(started, [0, 1, 2]);
  for (const { resolve } of gates) resolve();
  assert.deepEqual(
    (await settled).map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  );
});
