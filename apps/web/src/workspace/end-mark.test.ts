import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endMark } from './end-mark.ts';

const MINUTE = 60_000;

test('the end is told of a quarter of an hour and five minutes before', () => {
  assert.equal(endMark(16 * MINUTE), undefined);
  assert.equal(endMark(15 * MINUTE), 15);
  assert.equal(endMark(5 * MINUTE + 1), 15);
  assert.equal(endMark(5 * MINUTE), 5);
  assert.equal(endMark(-1), 5);
});
