import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { alignColumns, localTime } from './output.ts';

describe('a table', () => {
  it('has columns as wide as their widest cell, and no blanks at the end of a line', () => {
    const lines = alignColumns(
      ['id', 'name'],
      [
        ['ws-1', 'a'],
        ['x', 'a long one'],
      ],
    );
    assert.deepEqual(lines, ['ID    NAME', 'ws-1  a', 'x     a long one']);
  });
});

describe('a time', () => {
  it('is told to the minute, and a missing one by a dash', () => {
    assert.match(localTime('2026-03-01T14:05:59.000Z'), /^2026-0[23]-\d\d \d\d:\d\d$/);
    assert.equal(localTime(null), '-');
  });
});
