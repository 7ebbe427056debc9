import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionState, Diagnosis, Socket, TerminalEnvironment } from './terminal-connection.ts';
import { TerminalConnection } from './terminal-connection.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

class FakeSocket implements Socket {
  binaryType = '';
  bufferedAmount = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  readonly protocols: string[];
  readonly controls: Record<string, unknown>[] = [];
  input = '';
  inputFrames = 0;
  closed = false;

  constructor(protocols: string[]) {
    this.protocols = protocols;
  }
  send(data: string | Uint8Array): void {
    if (typeof data === 'string') this.controls.push(JSON.parse(data));
    else {
      this.input += new TextDecoder().decode(data);
      this.inputFrames += 1;
    }
  }
  close(): void {
    this.closed = true;
  }
  ready(offset: number): void {
    this.onopen?.();
    this.onmessage?.({ data: JSON.stringify({ type: 'ready', offset, window: 1_048_576 }) });
  }
  output(text: string): void {
    this.onmessage?.({ data: encode(text).buffer });
  }
}

function setUp(diagnosis: Diagnosis = 'retry', reachable = true) {
  const sockets: FakeSocket[] = [];
  const states: ConnectionState[] = [];
  const timers = new Map<number, () => void>();
  let timerId = 0;
  let now = 0;
  let screen = '';
  let drops = 0;
  const env: TerminalEnvironment = {
    credentials: async () => ({ url: 'ws://seat/terminal', token: 'T' }),
    openSocket: (_url, protocols) => {
      const socket = new FakeSocket(protocols);
      sockets.push(socket);
      return socket;
    },
    diagnose: async () => diagnosis,
    isReachable: async () => reachable,
    write: (output, parsed) => {
      screen += new TextDecoder().decode(output);
      parsed();
    },
    clear: () => {
      screen = '';
    },
    size: () => ({ cols: 80, rows: 24 }),
    onState: (state) => states.push(state),
    onHeldInput: () => {},
    onInputDropped: () => {
      drops += 1;
    },
    now: () => now,
    random: () => 0,
    setTimer: (callback) => {
      timers.set(++timerId, callback);
      return timerId;
    },
    clearTimer: (timer) => timers.delete(timer as number),
  };
  return {
    connection: new TerminalConnection(env),
    sockets,
    states,
    screen: () => screen,
    drops: () => drops,
    last: () => sockets.at(-1) as FakeSocket,
    advance: (ms: number) => {
      now += ms;
    },
    fireTimers: () => {
      for (const [id, callback] of [...timers]) {
        timers.delete(id);
        callback();
      }
    },
  };
}

test('a connection offers the protocol and the token, and attaches with its size', async () => {
  const { connection, last } = setUp();
  connection.connect();
  await settle();
  last().ready(0);
  assert.deepEqual(last().protocols, ['clarateach.terminal.v1', 'bearer.T']);
  assert.deepEqual(last().controls[0], { type: 'attach', cols: 80, rows: 24, after: 0, mode: 'write' });
  assert.equal(connection.state.kind, 'ready');
});

test('after a cut it attaches behind the last byte, and typed keys follow in order', async () => {
  const { connection, last, sockets, screen } = setUp();
  connection.connect();
  await settle();
  last().ready(0);
  last().output('hello');
  connection.send(encode('a'));
  last().onclose?.({ code: 1006 });
  connection.send(encode('b'));
  await settle();
  await settle();
  assert.equal(sockets.length, 2);
  connection.send(encode('c'));
  last().ready(5);
  assert.equal(last().controls[0]?.after, 5);
  assert.equal(last().input, 'bc');
  last().output(' world');
  assert.equal(screen(), 'hello world');
});

test('keys that the dead connection had only buffered are sent again', async () => {
  const { connection, last } = setUp();
  connection.connect();
  await settle();
  last().ready(0);
  last().controls.length = 0;
  connection.send(encode('ls\r'));
  last().bufferedAmount = 3;
  last().onclose?.({ code: 1006 });
  await settle();
  await settle();
  last().ready(0);
  assert.equal(last().input, 'ls\r');
});

test('a huge paste travels in frames and arrives whole', async () => {
  const { connection, last } = setUp();
  connection.connect();
  await settle();
  last().ready(0);
  const paste = 'x'.repeat(100_000);
  connection.send(encode(paste));
  assert.equal(last().input, paste);
  assert.equal(last().inputFrames, 4);
});

test('input that nothing answers makes it look after the connection', async () => {
  for (const reachable of [true, false]) {
    const { connection, last, sockets, fireTimers } = setUp('retry', reachable);
    connection.connect();
    await settle();
    last().ready(0);
    connection.send(encode('x'));
    fireTimers();
    await settle();
    await settle();
    assert.equal(sockets.length, reachable ? 1 : 2);
  }
});

test('a connection that stays silent while the seat answers beside it is replaced, one that is heard stays', async () => {
  for (const heard of ['nothing', 'before the first look', 'before the second look'] as const) {
    const { connection, last, sockets, fireTimers } = setUp('retry', true);
    connection.connect();
    await settle();
    last().ready(0);
    last().output('prompt');
    connection.send(encode('x'));
    if (heard === 'before the first look') last().output('x');
    fireTimers();
    await settle();
    if (heard === 'before the second look') last().output('x');
    fireTimers();
    await settle();
    assert.equal(sockets.length, heard === 'nothing' ? 2 : 1, heard);
    if (heard !== 'nothing') continue;
    last().ready(6);
    assert.equal(last().controls[0]?.after, 6);
    fireTimers();
    await settle();
    fireTimers();
    await settle();
    assert.equal(sockets.length, 2, 'nothing was typed since');
  }
});

test('a shell that is another one starts on a cleared screen', async () => {
  const { connection, last, screen } = setUp();
  connection.connect();
  await settle();
  last().ready(0);
  last().output('old old old');
  last().onclose?.({ code: 1001 });
  await settle();
  await settle();
  last().ready(2);
  last().output('new');
  assert.equal(screen(), 'new');
});

test('keys typed for a shell that is gone are not sent to the next one, and the person is told', async () => {
  const { connection, last, drops } = setUp();
  connection.connect();
  await settle();
  last().ready(0);
  last().output('in an editor');
  last().onclose?.({ code: 1006 });
  connection.send(encode(':wq\rrm -r *\r'));
  await settle();
  await settle();
  last().ready(0);
  assert.equal(last().input, '');
  assert.equal(drops(), 1);
  connection.send(encode('ls\r'));
  assert.equal(last().input, 'ls\r');
  last().output('a prompt');
  last().onclose?.({ code: 1006 });
  connection.send(encode('make\r'));
  await settle();
  connection.connect();
  await settle();
  last().ready(1_000_000);
  assert.equal(last().input, 'make\r', 'the same shell, after more output than is kept');
  assert.equal(drops(), 1);
});

test('after an exit nothing reconnects until asked, and then from the beginning', async () => {
  const { connection, last, sockets } = setUp();
  connection.connect();
  await settle();
  last().ready(0);
  last().output('bye');
  last().onmessage?.({ data: '{"type":"exit","code":3}' });
  await settle();
  assert.deepEqual(connection.state, { kind: 'exited', code: 3 });
  assert.equal(sockets.length, 1);
  connection.connect();
  await settle();
  last().ready(0);
  assert.equal(last().controls[0]?.after, 0);
});

test('failures wait longer and longer, and say when the next attempt is', async () => {
  const { connection, last, states, fireTimers, sockets } = setUp('seat-not-running');
  connection.connect();
  await settle();
  last().onclose?.({ code: 1006 });
  await settle();
  await settle();
  last().onclose?.({ code: 1006 });
  await settle();
  assert.deepEqual(states.at(-1), { kind: 'waiting', cause: 'seat', at: 250 });
  fireTimers();
  await settle();
  assert.equal(sockets.length, 3);
});

test('a terminal that fails again and again beside a seat that answers is blocked on its way', async () => {
  const { connection, last, states, fireTimers } = setUp('seat-answers');
  const causes = () => states.flatMap((state) => (state.kind === 'waiting' ? [state.cause] : []));
  const fail = async () => {
    last().onclose?.({ code: 1006 });
    await settle();
    fireTimers();
    await settle();
  };
  connection.connect();
  await settle();
  for (let round = 0; round < 4; round += 1) await fail();
  // The first failure is followed by another attempt at once.
  assert.deepEqual(causes(), ['network', 'blocked', 'blocked']);
  last().ready(0);
  await fail();
  assert.equal(causes().at(-1), 'network', 'one that got through was not blocked');
});

test('a connection that is dropped as soon as it is ready does not reconnect in a tight loop', async () => {
  const { connection, last } = setUp();
  connection.connect();
  for (let round = 0; round < 2; round += 1) {
    await settle();
    await settle();
    last().ready(0);
    last().onclose?.({ code: 1006 });
  }
  await settle();
  assert.equal(connection.state.kind, 'waiting');
});

test('a learner who is gone is not tried again', async () => {
  const { connection, last, sockets } = setUp('gone');
  connection.connect();
  await settle();
  last().ready(0);
  last().onclose?.({ code: 4403 });
  await settle();
  await settle();
  assert.equal(connection.state.kind, 'closed');
  assert.equal(sockets.length, 1);
});
