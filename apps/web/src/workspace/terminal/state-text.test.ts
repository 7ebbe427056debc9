import assert from 'node:assert/strict';
import { test } from 'node:test';
import { announcement } from './state-text.ts';
import type { ConnectionState } from './terminal-connection.ts';

const connecting = (attempt: number): ConnectionState => ({ kind: 'connecting', attempt });
const waiting = (cause: 'network' | 'seat' | 'blocked'): ConnectionState => ({
  kind: 'waiting',
  cause,
  at: 0,
});

/** What a screen reader says: a text that is the one before is not said again. */
function said(...states: ConnectionState[]): string[] {
  const texts: string[] = [];
  let before = '';
  for (const state of states) {
    const text = announcement(state, before);
    if (text !== before) texts.push(text);
    before = text;
  }
  return texts;
}

test('a lost connection is told once, however many attempts it takes, and once more when it is back', () => {
  const attempts = [1, 2, 3, 4].flatMap((attempt) => [waiting('network'), connecting(attempt)]);
  assert.deepEqual(said(connecting(0), { kind: 'ready' }, connecting(0), ...attempts, { kind: 'ready' }), [
    'Connecting',
    'Connected',
    'Disconnected, reconnecting by itself',
    'Connected',
  ]);
});

test('a seat that restarts is told apart, and a connection that is replaced at once is not worth a word', () => {
  assert.deepEqual(said({ kind: 'ready' }, connecting(1), waiting('seat'), connecting(2), waiting('seat')), [
    'Connected',
    'Seat restarting',
  ]);
  assert.deepEqual(said({ kind: 'ready' }, connecting(0), { kind: 'ready' }), ['Connected']);
});
