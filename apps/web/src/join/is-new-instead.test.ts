import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isNewInstead } from './is-new-instead.ts';

test('only who typed a return code is told that it was not known', () => {
  assert.equal(isNewInstead({ returning: false }, { odehash: 'ABCDE' }), true);
  assert.equal(isNewInstead({ returning: true }, { odehash: 'ABCDE' }), false);
  assert.equal(isNewInstead({ returning: false }, {}), false);
});
