import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { OutputLog } from './output-log.ts';

test('the last bytes are kept under their own numbers', () => {
  const log = new OutputLog({ start: 7, keptBytes: 200_000 });
  const all = randomBytes(2_000_000);
  for (let at = 0; at < all.length; ) {
    const size = 1 + Math.floor(Math.random() * 9_000);
    log.append(all.subarray(at, at + size));
    at += size;
    const kept = log.head - log.tail;
    assert.ok(kept >= Math.min(log.head - 7, 200_000), `${kept} kept`);
    assert.ok(kept <= 400_000);
    const offset = log.tail + Math.floor(Math.random() * kept);
    const piece = log.read(offset, 5_000);
    assert.deepEqual(piece.bytes, all.subarray(offset - 7, offset - 7 + piece.bytes.length));
    piece.release();
  }
  assert.equal(log.head, 2_000_007);
});

test('bytes on their way to a socket are not overwritten', () => {
  const log = new OutputLog({ start: 0, keptBytes: 65_536 });
  log.append(Buffer.alloc(65_536, 'a'));
  const piece = log.read(0, 100);
  for (let round = 0; round < 10; round += 1) log.append(Buffer.alloc(65_536, 'b'));
  assert.equal(piece.bytes.toString(), 'a'.repeat(100));
  assert.throws(() => log.read(0, 1), RangeError);
});
