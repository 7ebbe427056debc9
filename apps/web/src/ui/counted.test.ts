import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counted } from './counted.ts';

test('one of a thing is not many', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'seat')),
    ['0 seats', '1 seat', '2 seats'],
  );
});
