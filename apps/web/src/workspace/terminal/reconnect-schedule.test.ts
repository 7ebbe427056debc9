import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reconnectDelayMs } from './reconnect-schedule.ts';

test('the first attempt is at once and later ones wait longer, up to 15 seconds', () => {
  assert.equal(
    reconnectDelayMs(0, () => 1),
    0,
  );
  const longest = Array.from({ length: 9 }, (_, attempt) => reconnectDelayMs(attempt, () => 1));
  assert.deepEqual(longest, [0, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

test('jitter spreads a class over the upper half of the wait', () => {
  assert.equal(
    reconnectDelayMs(5, () => 0),
    4000,
  );
  assert.equal(
    reconnectDelayMs(5, () => 0.5),
    6000,
  );
  assert.ok(reconnectDelayMs(10_000, () => 0.999) <= 15_000);
});
