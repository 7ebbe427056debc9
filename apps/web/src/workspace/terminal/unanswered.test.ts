import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Socket } from './terminal-connection.ts';
import { TerminalConnection } from './terminal-connection.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A connection over sockets that the test answers for, on a clock that only the test moves. */
function setUp() {
  const sockets: (Socket & { closed: boolean })[] = [];
  const timers = new Map<number, { readonly callback: () => void; readonly at: number }>();
  let lastTimer = 0;
  let now = 0;
  const connection = new TerminalConnection({
    credentials: async () => ({ url: 'ws://seat/terminal', token: 'T' }),
    openSocket: () => {
      const socket = {
        ...{ binaryType: '', bufferedAmount: 0, closed: false },
        ...{ onopen: null, onmessage: null, onclose: null },
        send: () => {},
        close() {
          socket.closed = true;
        },
      };
      sockets.push(socket);
      return socket;
    },
    diagnose: async () => 'retry',
    isReachable: async () => true,
    write: (_output, parsed) => parsed(),
    clear: () => {},
    size: () => ({ cols: 80, rows: 24 }),
    onState: () => {},
    onHeldInput: () => {},
    onInputDropped: () => {},
    now: () => now,
    random: () => 0,
    setTimer: (callback, ms) => {
      timers.set(++lastTimer, { callback, at: now + ms });
      return lastTimer;
    },
    clearTimer: (timer) => timers.delete(timer as number),
  });
  const advance = async (ms: number) => {
    now += ms;
    for (const [timer, { callback, at }] of [...timers]) {
      if (at <= now && timers.delete(timer)) callback();
    }
    await settle();
    await settle();
  };
  return { connection, sockets, advance };
}

const ready = { data: JSON.stringify({ type: 'ready', offset: 0, window: 1_048_576 }) };

test('an open connection on which no ready comes for ten seconds is replaced by another', async () => {
  const { connection, sockets, advance } = setUp();
  connection.connect();
  await settle();
  sockets[0]?.onopen?.();
  await advance(9_999);
  assert.deepEqual([sockets.length, sockets[0]?.closed], [1, false]);
  await advance(1);
  assert.deepEqual([sockets.length, sockets[0]?.closed], [2, true]);
  sockets[1]?.onopen?.();
  sockets[1]?.onmessage?.(ready);
  assert.equal(connection.state.kind, 'ready');
});

test('a connection that has said ready stays', async () => {
  const { connection, sockets, advance } = setUp();
  connection.connect();
  await settle();
  sockets[0]?.onopen?.();
  await advance(9_999);
  sockets[0]?.onmessage?.(ready);
  await advance(60_000);
  assert.deepEqual([sockets.length, sockets[0]?.closed], [1, false]);
});
