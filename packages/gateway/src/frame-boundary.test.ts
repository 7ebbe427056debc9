import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeFrame, FrameBoundary } from './frame-boundary.ts';

function frame(length: number, opcode = 2, masked = false): Buffer {
  const mask = masked ? 0x80 : 0;
  const head = [0x80 | opcode];
  if (length < 126) head.push(mask | length);
  else if (length < 65_536) head.push(mask | 126, length >> 8, length & 255);
  else
    head.push(mask | 127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  return Buffer.concat([Buffer.from(head), Buffer.alloc(masked ? 4 : 0), Buffer.alloc(length, 0x88)]);
}

const FRAMES = [0, 1, 125, 126, 127, 65_535, 65_536, 3].flatMap((length) => [
  frame(length),
  frame(length, 1, true),
]);

test('every boundary is found, however the bytes are cut', () => {
  const stream = Buffer.concat(FRAMES);
  const ends = new Set<number>();
  let end = 0;
  for (const { length } of FRAMES) {
    end += length;
    ends.add(end);
  }
  for (const step of [1, 2, 3, 7, 1000, 65_537, stream.length]) {
    const boundary = new FrameBoundary();
    for (let at = 0; at < stream.length; at += step) {
      boundary.follow(stream.subarray(at, at + step));
      assert.equal(boundary.atBoundary, ends.has(Math.min(at + step, stream.length)));
    }
    assert.equal(boundary.closing, false);
  }
});

test('the first boundary after any cut is found within a chunk', () => {
  const two = Buffer.concat([frame(300), frame(10)]);
  for (let cut = 1; cut < 304; cut++) {
    const boundary = new FrameBoundary();
    boundary.follow(two.subarray(0, cut));
    assert.equal(boundary.followToBoundary(two.subarray(cut)), 304 - cut);
  }
});

test('a close frame is noticed, and made as the protocol says', () => {
  const boundary = new FrameBoundary();
  const close = closeFrame(4403, 'gone');
  assert.deepEqual([...close], [0x88, 6, 0x11, 0x33, 0x67, 0x6f, 0x6e, 0x65]);
  boundary.follow(close);
  assert.ok(boundary.closing && boundary.atBoundary);
});
