import assert from 'node:assert/strict';
import { test } from 'node:test';
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

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a lone item goes at once; those that come meanwhile go together', async () => {
  const { batches, submit } = controlled();
  const outcomes = [submit('a', 1), submit('a', 2), submit('a', 3)];
  assert.deepEqual(batches[0]?.items, [1]);
  batches[0]?.finish();
  await turn();
  assert.deepEqual(batches[1]?.items, [2, 3]);
  batches[1]?.finish();
  assert.deepEqual(await Promise.all(outcomes), [10, 20, 30]);
});

test('lanes do not wait for one another', async () => {
  const { batches, submit } = controlled();
  const outcomes = [submit('a', 1), submit('b', 2)];
  assert.deepEqual(
    batches.map(({ lane }) => lane),
    ['a', 'b'],
  );
  for (const batch of batches) batch.finish();
  assert.deepEqual(await Promise.all(outcomes), [10, 20]);
});

test('a batch is never larger than asked for', async () => {
  const { batches, submit } = controlled(2);
  const outcomes = [1, 2, 3, 4].map((item) => submit('a', item));
  for (let index = 0; index < 3; index++) {
    batches[index]?.finish();
    await turn();
  }
  assert.deepEqual(
    batches.map(({ items }) => items),
    [[1], [2, 3], [4]],
  );
  assert.deepEqual(await Promise.all(outcomes), [10, 20, 30, 40]);
});

test('a batch that fails rejects its own items and no others', async () => {
  const { batches, submit } = controlled();
  const first = submit('a', 1);
  const second = submit('a', 2);
  batches[0]?.finish(new Error('down'));
  await assert.rejects(first, /down/);
  await turn();
  batches[1]?.finish();
  assert.equal(await second, 20);
});
