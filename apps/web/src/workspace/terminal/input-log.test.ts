import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputLog, MAX_HELD_BYTES } from './input-log.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunks: Uint8Array[]) => chunks.map((chunk) => new TextDecoder().decode(chunk)).join('');

test('input held while disconnected is released once, in order', () => {
  const log = new InputLog();
  for (const key of 'ls -l\r') log.hold(bytes(key));
  assert.equal(text(log.release()), 'ls -l\r');
  assert.equal(text(log.release()), '');
  assert.equal(log.heldBytes, 0);
});

test('input that never reached the wire comes back before what was typed later', () => {
  const log = new InputLog();
  log.sentInput(bytes('echo '));
  log.sentInput(bytes('one'));
  log.sentControl(30);
  log.sentInput(bytes('\r'));
  log.connectionLost(3 + 30 + 1);
  log.hold(bytes('echo two\r'));
  assert.equal(text(log.release()), 'one\recho two\r');
});

test('a frame that left in part counts as not sent', () => {
  const log = new InputLog();
  log.sentInput(bytes('abc'));
  log.sentInput(bytes('def'));
  log.connectionLost(4);
  assert.equal(text(log.release()), 'abcdef');
});

test('a connection that ended with everything sent gives nothing back', () => {
  const log = new InputLog();
  log.sentInput(bytes('make\r'));
  log.connectionLost(0);
  assert.equal(log.heldBytes, 0);
});

test('input beyond the bound is refused whole', () => {
  const log = new InputLog();
  assert.equal(log.hold(new Uint8Array(MAX_HELD_BYTES)), true);
  assert.equal(log.hold(bytes('x')), false);
  assert.equal(log.heldBytes, MAX_HELD_BYTES);
});
