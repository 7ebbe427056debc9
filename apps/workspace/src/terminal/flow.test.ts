import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createTerminalServer } from './server.ts';
import { FLOW_LIMITS, type FlowLimits } from './shell.ts';
import { scratch, until, view } from './test-viewer.ts';
import type { Multiplexer } from './tmux.ts';

/** A program right on the PTY, so that every byte it writes is known. */
async function serve(t: TestContext, script: string, limits: Partial<FlowLimits> = {}, pingEveryMs?: number) {
  const directory = scratch();
  const redraws = { count: 0 };
  const multiplexer: Multiplexer = {
    command: { file: 'bash', args: ['-c', script] },
    firstOffset: async () => 0,
    redraw: async () => {
      redraws.count += 1;
    },
    isAlive: async () => false,
    exitCode: () => 0,
  };
  const env = { PATH: process.env.PATH ?? '', TERM: 'xterm-256color', DIR: directory.path };
  const server = createTerminalServer({
    multiplexer,
    env,
    directory: directory.path,
    limits: { ...FLOW_LIMITS, ...limits },
    isReady: () => true,
    ...(pingEveryMs === undefined ? {} : { pingEveryMs }),
  });
  const socket = join(directory.path, 's');
  server.http.listen(socket);
  await once(server.http, 'listening');
  t.after(async () => {
    await server.close();
    directory.remove();
  });
  return { server, socket, redraws, directory: directory.path };
}

const FLOOD_BYTES = 12_000_000;
/** Waits for a key, then writes a file of random bytes, unchanged by the terminal. */
const FLOOD = 'stty raw -echo; printf ready; head -c1 >/dev/null; cat "$DIR/flood"';

function flood(directory: string): string {
  const bytes = randomBytes(FLOOD_BYTES);
  writeFileSync(join(directory, 'flood'), bytes);
  return createHash('sha256').update('ready').update(bytes).digest('hex');
}

test('a flood arrives byte by byte, and the exit after it', async (t) => {
  const { socket, directory } = await serve(t, FLOOD);
  const expected = flood(directory);
  const hash = createHash('sha256');
  const viewer = view(socket, {}, { keep: false });
  viewer.onOutput = (data) => hash.update(data);
  await until(() => viewer.bytes === 5, 'the prompt');
  viewer.type('x');
  await until(() => viewer.closedWith !== undefined, 'the end', 30_000);
  assert.equal(hash.digest('hex'), expected);
  assert.deepEqual(viewer.messages.at(-1), { type: 'exit', code: 0 });
  assert.equal(viewer.closedWith, 1000);
});

test('a connection cut at random points of a flood comes back for exactly the bytes it missed', async (t) => {
  const { socket, directory, redraws } = await serve(t, FLOOD);
  const expected = flood(directory);
  const hash = createHash('sha256');
  let received = 0;
  let cuts = 0;
  let ended = false;
  let typed = false;
  while (!ended) {
    const viewer = view(socket, { after: received }, { keep: false });
    const cutAt = received + 6 + Math.floor(Math.random() * 400_000);
    let cut = false;
    viewer.onOutput = (data) => {
      if (cut) return;
      hash.update(data);
      received += data.length;
      if (!typed && received >= 5) {
        typed = true;
        viewer.type('x');
      }
      if (received >= cutAt && typed && received < FLOOD_BYTES) {
        cut = true;
        cuts += 1;
        viewer.socket.terminate();
      }
    };
    await until(() => viewer.messages.length > 0 || cut, 'ready');
    const first = viewer.messages[0];
    assert.equal(first?.type, 'ready');
    await until(() => viewer.closedWith !== undefined, 'a cut or the end', 30_000);
    ended = !cut;
  }
  assert.ok(cuts > 10, `${cuts} cuts`);
  assert.equal(received, FLOOD_BYTES + 5);
  assert.equal(hash.digest('hex'), expected);
  assert.equal(redraws.count, 0);
});

test('the ready message names the number of the next byte', async (t) => {
  const { socket } = await serve(t, 'stty raw -echo; printf 0123456789; cat >/dev/null');
  const first = view(socket);
  await first.sees('0123456789');
  const second = view(socket, { after: 4, mode: 'read' });
  await second.sees('456789');
  assert.equal(second.text(), '456789');
  assert.deepEqual(second.messages, [{ type: 'ready', offset: 4, window: FLOW_LIMITS.windowBytes }]);
  const third = view(socket, { after: 10, mode: 'read' });
  await until(() => third.messages.length === 1, 'ready');
  assert.deepEqual(third.messages, [{ type: 'ready', offset: 10, window: FLOW_LIMITS.windowBytes }]);
  await Promise.all([first.close(), second.close(), third.close()]);
});

test('without acknowledgements the PTY is read up to the window, and goes on with them', async (t) => {
  const windowBytes = 128 * 1024;
  const { socket, directory } = await serve(t, FLOOD, { windowBytes, keptBytes: windowBytes * 2 });
  flood(directory);
  const viewer = view(socket, {}, { keep: false, ackEvery: 0 });
  await until(() => viewer.bytes === 5, 'the prompt');
  viewer.type('x');
  await until(() => viewer.bytes === windowBytes, 'a full window');
  viewer.send({ type: 'ack', bytes: 1000 });
  await until(() => viewer.bytes === windowBytes + 1000, 'as much as was acknowledged');
  await viewer.close();
});

test('a viewer that stands still never holds a writer back, skips, and is told where it goes on', async (t) => {
  for (const mode of ['read', 'write'] as const) {
    const { socket, directory, redraws } = await serve(t, `${FLOOD}; cat >/dev/null`, { redrawEveryMs: 0 });
    const expected = flood(directory);
    const hash = createHash('sha256');
    const writer = view(socket, {}, { keep: false });
    writer.onOutput = (data) => hash.update(data);
    const still = view(socket, { mode }, { keep: false, ackEvery: 0 });
    await until(() => writer.bytes === 5 && still.bytes === 5, 'both at the prompt');
    still.socket.pause();
    writer.type('x');
    await until(() => writer.bytes === FLOOD_BYTES + 5, 'all of it', 30_000);
    assert.equal(hash.digest('hex'), expected);
    still.socket.resume();
    await until(() => still.bytes > 5, 'what was on its way');
    let acknowledged = 0;
    await until(() => {
      if (still.bytes > acknowledged) still.send({ type: 'ack', bytes: still.bytes - acknowledged });
      acknowledged = still.bytes;
      return still.messages.length === 2;
    }, 'a second ready');
    assert.deepEqual(still.messages[1], {
      type: 'ready',
      offset: FLOOD_BYTES + 5,
      window: FLOW_LIMITS.windowBytes,
    });
    assert.ok(redraws.count >= 1);
    await Promise.all([writer.close(), still.close()]);
  }
});

test('a paste of 10 MB arrives whole, in many frames or in one', async (t) => {
  const size = 10_000_000;
  const paste = randomBytes(size);
  const expected = createHash('sha256').update(paste).digest('hex');
  for (const frame of [size, 50_000]) {
    const { socket } = await serve(
      t,
      `stty raw -echo; printf ready; head -c ${size} | sha256sum; cat >/dev/null`,
    );
    const viewer = view(socket);
    await viewer.sees('ready');
    for (let from = 0; from < size; from += frame) viewer.type(paste.subarray(from, from + frame));
    await viewer.sees(expected, 30_000);
    await viewer.close();
  }
});

test('what a viewer that only looks types is dropped', async (t) => {
  const { socket } = await serve(t, 'stty raw -echo; printf ready; head -c 3; cat >/dev/null');
  const looker = view(socket, { mode: 'read' });
  const writer = view(socket);
  await Promise.all([looker.sees('ready'), writer.sees('ready')]);
  looker.type('no!');
  looker.send({ type: 'resize', cols: 10, rows: 10 });
  writer.type('yes');
  await looker.sees('readyyes');
  await Promise.all([looker.close(), writer.close()]);
});

test('messages that break the protocol are answered with an error and a close', async (t) => {
  const { socket } = await serve(t, 'cat >/dev/null');
  const bad: (string | Buffer)[] = [
    'not json',
    '[]',
    '{"type":"attach"}',
    '{"type":"ack","bytes":0}',
    '{"type":"ack","bytes":1}',
    '{"type":"resize","cols":80,"rows":24}',
    '{"type":"attach","cols":0,"rows":24}',
    `{"type":"${'x'.repeat(10_000)}"}`,
    Buffer.from('keys before attach'),
  ];
  for (const message of bad) {
    const viewer = view(socket);
    viewer.socket.removeAllListeners('open');
    viewer.socket.on('open', () => viewer.socket.send(message, { binary: Buffer.isBuffer(message) }));
    await until(() => viewer.closedWith !== undefined, `a close after ${message}`);
    assert.equal(viewer.closedWith, 1008);
    assert.equal(viewer.messages[0]?.type, 'error');
  }
  const twice = view(socket);
  await until(() => twice.messages.length === 1, 'ready');
  twice.send({ type: 'attach', cols: 80, rows: 24 });
  await until(() => twice.closedWith === 1008, 'a close after a second attach');
});

test('a server that ends lets nobody in', async (t) => {
  const { server, socket } = await serve(t, 'cat');
  const viewer = view(socket);
  await until(() => viewer.messages.length === 1, 'the viewer is attached');
  const ended = server.close();
  const late = connect(socket);
  const outcome = await new Promise((done) => {
    late.once('connect', () => done('let in'));
    late.once('error', ({ code }: NodeJS.ErrnoException) => done(code));
  });
  late.destroy();
  assert.equal(outcome, 'ENOENT');
  await ended;
  assert.equal(viewer.closedWith, 1001);
});

test('a peer that answers no ping is dropped, one that does stays', async (t) => {
  const { socket } = await serve(t, 'cat >/dev/null', {}, 30);
  const dead = view(socket, {}, { autoPong: false });
  const alive = view(socket);
  await until(() => dead.closedWith !== undefined, 'the dead peer is dropped');
  assert.equal(dead.closedWith, 1006);
  assert.equal(alive.closedWith, undefined);
  await alive.close();
});
