import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isReport } from './reports.ts';

test('answers about the make of a terminal are known, and nothing that a person types', () => {
  const report = (text: string) => isReport(Buffer.from(text, 'latin1'));
  for (const answer of [
    '\x1b[?1;2c',
    '\x1b[>0;276;0c',
    '\x1bP>|xterm.js(6.0.0)\x1b\\',
    '\x1b[?1;2c\x1b[>0;276;0c',
  ]) {
    assert.ok(report(answer), JSON.stringify(answer));
  }
  for (const typed of [
    '',
    'c',
    '\x1b',
    '\x1b[A',
    '\x1b[1;2R',
    '\x1b[?1;2cls\r',
    `\x1b[?${'1;'.repeat(200)}c`,
  ]) {
    assert.ok(!report(typed), JSON.stringify(typed));
  }
});
