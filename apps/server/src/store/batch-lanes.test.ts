import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../testing/control-plane.ts';
import { batchLanes } from './batch-lanes.ts';

function controlled(maxBatch = 10) {
  const batches: { lane: string; items: readonly number[]; finish: (error?: Error) => void }[] = [];
  const submit = batchLanes<string, number, number>({
    maxBatch,
    run: (lane, items) =>
      new Promise((resolve, reject) => {
        batches.push({
          lane,
          items,
          finish: (error) => (error ? reject(error) : resolve(items.map((item) => item * 10))),
        });
      }),
  });
  return { batches, submit };
}

/** Resolves when so many batches were begun. */
const begun = (batches: readonly unknown[], count: number) =>
  eventually(() => batches.length >= count || undefined);

test('items that come together go together, and those that come meanwhile in the next batch', async () => {
  const { batches, submit } = controlled();
  const outcomes = [submit('a', 1), submit('a', 2)];
  assert.equal(batches.length, 0);
  await begun(batches, 1);
  outcomes.push(submit('a', 3), submit('a', 4));
  batches[0]?.finish();
  await begun(batches, 2);
  batches[1]?.finish();
  assert.deepEqual(
    batches.map(({ items }) => items),
    [
      [1, 2],
      [3, 4],
    ],
  );
  assert.deepEqual(await Promise.all(outcomes), [10, 20, 30, 40]);
});

test('a batch waits for as long as each moment brings more, but not for ever', async () => {
  const { batches, submit } = controlled(1_000);
  let count = 1;
  const outcomes = [submit('a', count)];
  while (batches.length === 0) {
    outcomes.push(submit('a', ++count));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok((batches[0]?.items.length ?? 0) > 1);
  batches[0]?.finish();
  if ((batches[0]?.items.length ?? 0) < count) {
    await begun(batches, 2);
    batches[1]?.finish();
  }
  assert.equal((await Promise.all(outcomes)).length, count);
});

test('lanes do not wait for one another', async () => {
  const { batches, submit } = controlled();
  const outcomes = [submit('a', 1), submit('b', 2)];
  await begun(batches, 2);
  assert.deepEqual(
    batches.map(({ lane }) => lane),
    ['a', 'b'],
  );
  for (const batch of batches) batch.finish();
  assert.deepEqual(await Promise.all(outcomes), [10, 20]);
});

test('a batch is never larger than asked for', async () => {
  const { batches, submit } = controlled(2);
  const outcomes = [1, 2, 3, 4, 5].map((item) => submit('a', item));
  for (let index = 0; index < 3; index++) {
    await begun(batches, index + 1);
    batches[index]?.finish();
  }
  assert.deepEqual(
    batches.map(({ items }) => items),
    [[1, 2], [3, 4], [5]],
  );
  assert.deepEqual(await Promise.all(outcomes), [10, 20, 30, 40, 50]);
});

test('a batch that fails rejects its own items and no others', async () => {
  const { batches, submit } = controlled(1);
  const first = submit('a', 1);
  const second = submit('a', 2);
  await begun(batches, 1);
  batches[0]?.finish(new Error('down'));
  await assert.rejects(first, /down/);
  await begun(batches, 2);
  batches[1]?.finish();
  assert.equal(await second, 20);
});
