import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spacedCode } from './spaced-code.ts';

test('a code is shown in groups that can be read aloud', () => {
  assert.equal(spacedCode('ABCDE'), 'ABCDE');
  assert.equal(spacedCode('ABCDEF'), 'ABC DEF');
  assert.equal(spacedCode('ABCDEFG'), 'ABCD EFG');
  assert.equal(spacedCode('ABCDEFGH'), 'ABCD EFGH');
});
