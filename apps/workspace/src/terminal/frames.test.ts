import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientMessage } from '@clarateach/contract/terminal';
import { parseClientMessage } from './frames.ts';

test('messages are taken and refused as the schema of the contract does', () => {
  const numbers = [undefined, null, -1, 0, 1, 1.5, 1000, 1001, 2 ** 53, '80', Number.MAX_SAFE_INTEGER];
  const corpus: unknown[] = [null, 1, 'attach', [], {}, { type: 'nothing' }, { type: 'ack' }];
  for (const number of numbers) {
    corpus.push({ type: 'ack', bytes: number });
    for (const type of ['attach', 'resize']) {
      corpus.push({ type, cols: number, rows: 24 }, { type, cols: 80, rows: number });
    }
    for (const mode of [undefined, 'write', 'read', 'both', null]) {
      corpus.push({ type: 'attach', cols: 80, rows: 24, after: number, mode, extra: true });
    }
  }
  for (const message of corpus) {
    const text = JSON.stringify(message);
    const expected = clientMessage.safeParse(JSON.parse(text));
    assert.deepEqual(parseClientMessage(text), expected.success ? expected.data : undefined, text);
  }
});
