import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { scratch, until, view } from './test-viewer.ts';

/** A whole seat in one directory: its own tmux server, sockets, home and workspace. */
const seat = scratch();
const env = {
  PATH: process.env.PATH ?? '',
  TMUX_TMPDIR: join(seat.path, 't'),
  SOCKET_DIR: join(seat.path, 's'),
  WORKSPACE_DIR: join(seat.path, 'w'),
  HOME: join(seat.path, 'h'),
  SEAT: '7',
  PS1: '',
};
const socket = join(env.SOCKET_DIR, '3001.sock');
let server: ChildProcess;

function health(): Promise<number> {
  return new Promise((done) => {
    get({ socketPath: socket, path: '/health' }, (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    }).on('error', () => done(0));
  });
}

async function start(): Promise<void> {
  server = spawn(process.execPath, ['--max-semi-space-size=1', join(import.meta.dirname, '../main.ts')], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  let status = 0;
  const end = performance.now() + 10_000;
  while (status !== 200 && performance.now() < end) {
    status = await health();
    if (status !== 200) await new Promise((done) => setTimeout(done, 10));
  }
  assert.equal(status, 200);
}

async function end(signal: NodeJS.Signals): Promise<void> {
  const ended = new Promise((done) => server.once('exit', done));
  server.kill(signal);
  await ended;
}

before(async () => {
  for (const directory of [env.TMUX_TMPDIR, env.SOCKET_DIR, env.WORKSPACE_DIR, env.HOME])
    mkdirSync(directory);
  await start();
});

after(async () => {
  await end('SIGTERM');
  const socketPath = join(env.TMUX_TMPDIR, `tmux-${process.getuid?.()}`, 'clarateach');
  try {
    execFileSync('tmux', ['-S', socketPath, 'kill-server'], { stdio: 'ignore' });
  } catch {
    // It ended with its last session.
  }
  seat.remove();
});

const rss = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;

test('the shell starts in the workspace with the environment of a seat and no internals of it', async () => {
  const viewer = view(socket);
  viewer.socket.once('open', () => viewer.type('echo "at $PWD $TERM $SEAT [$SOCKET_DIR] $COLORTERM"\r'));
  await viewer.sees(`at ${env.WORKSPACE_DIR} tmux-256color 7 [] truecolor`);
  await viewer.close();
});

test('a redraw brings the screen to a viewer whose bytes are no longer kept', async () => {
  // tmux leaves out what scrolls by too fast; what a large screen shows after a change of its size it sends whole.
  const writer = view(socket, { cols: 900, rows: 200 }, { keep: false });
  await until(() => writer.bytes > 0, 'output');
  writer.type('head -c 200000 /dev/urandom | base64 -w 800\r');
  for (let cols = 899; writer.bytes < 1_500_000; cols = 1799 - cols) {
    const had = writer.bytes;
    writer.send({ type: 'resize', cols, rows: 200 });
    await until(() => writer.bytes > had, 'a redraw after a change of size');
  }
  writer.type('clear; echo here-$((40+2))\r');
  const seen = view(socket, {}, {});
  await seen.sees('here-42', 30_000);
  await seen.close();
  const began = performance.now();
  const late = view(socket, { after: 1, mode: 'read' });
  await late.sees('here-42');
  const ms = performance.now() - began;
  const ready = late.messages[0];
  assert.ok(ready?.type === 'ready' && ready.offset > 1);
  // The alternate screen is entered anew: the redraw brings modes, not only text.
  assert.match(late.text(), /\x1b\[\?1049h/);
  console.log(`redraw after ${ms.toFixed(1)} ms`);
  await Promise.all([late.close(), writer.close()]);
});

test('answers to questions that tmux asked long ago are not typed into the shell', async () => {
  const viewer = view(socket);
  await until(() => viewer.messages.length === 1, 'ready');
  viewer.type('\x1b[>0;276;0c');
  viewer.type('\x1b[?1;2c');
  viewer.type('\x1bP>|xterm.js(6)\x1b\\');
  viewer.type('echo clean-$((1+1))\r');
  await viewer.sees('clean-2');
  assert.doesNotMatch(viewer.text(), /276;0c|1;2c|xterm\.js/);
  await viewer.close();
});

test('the size of a writer is the size of the shell', async () => {
  const viewer = view(socket, { cols: 101, rows: 31 });
  await until(() => viewer.messages.length === 1, 'ready');
  viewer.type('while [ "$(tput cols)" != 101 ]; do :; done; echo "now $(tput cols)"\r');
  await viewer.sees('now 101');
  const looker = view(socket, { cols: 20, rows: 5, mode: 'read' });
  await until(() => looker.messages.length === 1, 'ready');
  viewer.send({ type: 'resize', cols: 91, rows: 30 });
  viewer.type('while [ "$(tput cols)" != 91 ]; do :; done; echo "now $(tput cols)"\r');
  await viewer.sees('now 91');
  await Promise.all([viewer.close(), looker.close()]);
});

test('the shell has the size of the writer who works in it, and not of one who has left', async () => {
  const whenCols = (cols: number, mark: string) =>
    `while [ "$(tput cols)" != ${cols} ]; do :; done; echo "${mark}-$((40+2))"\r`;
  const looker = view(socket, { mode: 'read' });
  await until(() => looker.messages.length === 1, 'ready');
  const laptop = view(socket, { cols: 122, rows: 15 });
  await until(() => laptop.messages.length === 1, 'ready');
  const phone = view(socket, { cols: 39, rows: 18 });
  await until(() => phone.messages.length === 1, 'ready');
  laptop.type(whenCols(122, 'laptop'));
  await looker.sees('laptop-42');
  phone.type(whenCols(39, 'phone'));
  await looker.sees('phone-42');
  phone.type(whenCols(122, 'left'));
  await looker.sees('"left-');
  await phone.close();
  await looker.sees('left-42');
  await Promise.all([laptop.close(), looker.close()]);
});

test('Ctrl-C passes during a flood', async () => {
  const viewer = view(socket, {}, { ackEvery: 16 * 1024 });
  await until(() => viewer.messages.length === 1, 'ready');
  const times: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    const before = viewer.bytes;
    viewer.type('yes flooding the terminal\r');
    await until(() => viewer.bytes > before + 100_000, 'a flood', 30_000);
    viewer.forget();
    const began = performance.now();
    viewer.type('\x03');
    await viewer.sees('^C', 30_000);
    viewer.type(`echo back-$((100+${round}))\r`);
    await viewer.sees(`back-10${round}`, 30_000);
    times.push(performance.now() - began);
  }
  console.log(
    `Ctrl-C in a flood to the next command's output: ${times.map((ms) => ms.toFixed(1)).join(', ')} ms`,
  );
  await viewer.close();
});

test('viewers that stand still cost bounded memory', async () => {
  const writer = view(socket, {}, { keep: false });
  await until(() => writer.messages.length === 1, 'ready');
  const run = async (mark: number) => {
    let tail = '';
    writer.onOutput = (data) => {
      tail = (tail + data.toString('latin1')).slice(-20_000);
    };
    writer.type(`seq 1000000; echo mark-$((${mark}+0))\r`);
    await until(() => tail.includes(`mark-${mark}`), 'the end of a flood', 30_000);
  };
  await run(1);
  await run(2);
  const rssBefore = rss();
  const still = [1, 2, 3, 4].map(() => view(socket, { mode: 'read' }, { keep: false, ackEvery: 0 }));
  await until(() => still.every((each) => each.messages.length === 1), 'ready');
  for (const each of still) each.socket.pause();
  await run(3);
  const grown = rss() - rssBefore;
  console.log(`4 stalled viewers: +${grown.toFixed(1)} MB`);
  // Four times what a stalled viewer may cost; the machine's own noise is in it.
  assert.ok(grown < 8, `grew by ${grown} MB`);
  for (const each of still) each.socket.terminate();
  await writer.close();
});

test('a killed server comes back to the same shell', async () => {
  const viewer = view(socket);
  await until(() => viewer.messages.length === 1, 'ready');
  viewer.type('kept=alive; echo set-$((3+4))\r');
  await viewer.sees('set-7');
  const had = viewer.bytes;
  await end('SIGKILL');
  await until(() => viewer.closedWith !== undefined, 'the connection is gone');
  assert.equal(viewer.closedWith, 1006);
  await start();
  const again = view(socket, { after: had });
  await again.sees('set-7');
  const ready = again.messages[0];
  assert.ok(ready?.type === 'ready' && ready.offset > had, 'numbers go on beyond all that was sent');
  again.type('echo "still $kept"\r');
  await again.sees('still alive');
  await again.close();
});

test('SIGTERM sends every viewer away to come back, and the shell stays', async () => {
  const viewers = [view(socket), view(socket, { mode: 'read' })];
  await until(() => viewers.every((each) => each.messages.length === 1), 'ready');
  viewers[0]?.type('kept=too; echo typed-$((6+6))\r');
  await viewers[0]?.sees('typed-12');
  await end('SIGTERM');
  await until(() => viewers.every((each) => each.closedWith !== undefined), 'all are closed');
  assert.deepEqual(
    viewers.map((each) => each.closedWith),
    [1001, 1001],
  );
  await start();
  const again = view(socket);
  await until(() => again.messages.length === 1, 'ready');
  again.type('echo "still $kept"\r');
  await again.sees('still too');
  await again.close();
});

test('a shell that is left by detaching is attached again', async () => {
  const viewer = view(socket);
  await until(() => viewer.messages.length === 1, 'ready');
  viewer.type('here=yes\r');
  execFileSync('tmux', ['-L', 'clarateach', 'detach-client', '-s', 'main'], { env });
  await viewer.sees('[detached');
  viewer.forget();
  await until(() => viewer.bytes > 0 && viewer.text().includes('\x1b[?1049h'), 'attached again');
  viewer.type('echo "still $here"\r');
  await viewer.sees('still yes');
  await viewer.close();
});

test('the exit of the shell is told with its status, and the next viewer gets a new one', async () => {
  const viewer = view(socket);
  await until(() => viewer.messages.length === 1, 'ready');
  viewer.type('exit 7\r');
  await until(() => viewer.closedWith !== undefined, 'the end');
  assert.deepEqual(viewer.messages.at(-1), { type: 'exit', code: 7 });
  assert.equal(viewer.closedWith, 1000);
  const next = view(socket);
  await until(() => next.messages.length === 1, 'ready');
  assert.equal(next.messages[0]?.type === 'ready' && next.messages[0].offset, 0);
  next.type('echo "new $here."\r');
  await next.sees('new .');
  await next.close();
  assert.ok(existsSync(env.WORKSPACE_DIR));
});
