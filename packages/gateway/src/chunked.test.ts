import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChunkedDecoder } from './chunked.ts';

const STREAM = '5;ext="a"\r\nhello\r\n1\r\n \r\n0A\r\nwide world\r\n0\r\nTrailer: x\r\n\r\nNEXT';

test('a body is the same, however its bytes are cut', () => {
  for (let step = 1; step <= STREAM.length; step++) {
    const decoder = new ChunkedDecoder();
    let text = '';
    let used = 0;
    for (let at = 0; at < STREAM.length && !decoder.done; at += step) {
      used += decoder.feed(Buffer.from(STREAM.slice(at, at + step)), (data) => {
        text += data;
      });
    }
    assert.equal(text, 'hello wide world');
    assert.equal(STREAM.slice(used), 'NEXT');
  }
});

test('what is not exactly chunked is refused', () => {
  for (const bad of [
    'x\r\n',
    '-1\r\n',
    '0x5\r\n',
    '5\nhello',
    '1\r\nab\r\n',
    '\r\n',
    '1234567890abc\r\n',
    ' 5\r\n',
  ]) {
    const decoder = new ChunkedDecoder();
    assert.throws(() => decoder.feed(Buffer.from(bad), () => {}), bad);
  }
  assert.throws(() => new ChunkedDecoder().feed(Buffer.alloc(5000, 0x31), () => {}));
});
