import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText } from './duration.ts';

test('a duration is told in the two units that matter', () => {
  const minute = 60_000;
  assert.equal(durationText(-5), '0 s');
  assert.equal(durationText(40_000), '40 s');
  assert.equal(durationText(5 * minute), '5 min');
  assert.equal(durationText(80 * minute), '1 h 20 min');
  assert.equal(durationText(120 * minute), '2 h');
  assert.equal(durationText(27 * 60 * minute), '1 day 3 h');
  assert.equal(durationText(48 * 60 * minute), '2 days');
});
