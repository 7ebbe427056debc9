/**
 * BENCH 10: a learner's connection is cut again and again, and the gateway is killed, while the shell prints: bytes
 * lost or doubled, and the time until the screen is right again, beside `tmux attach`.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { tcpProxy } from '@clarateach/server/testing/tcp-proxy';
import { spawn as spawnPty } from '@lydell/node-pty';
import type WebSocket from 'ws';
import { attach, CountedOutput } from './counted-terminal.ts';
import { seatHost } from './docker.ts';
import { compare, options, percentile, rounds, save } from './harness.ts';
import { startPlatform } from './platform.ts';
import { seatAddress } from './terminal.ts';

const CUTS = Math.ceil((options.short ? 20 : 1_000) / rounds);
const CRASHES = options.short ? 1 : 5;
const ATTACHES = options.short ? 3 : 30;
/** A line each 5 ms, numbered, so that the stream is never the same twice. */
const PRINT = 'clear; i=0; while :; do echo "line $((i++)) $RANDOM"; sleep 0.005; done\r';
const BETWEEN_CUTS_MS = 10;

const platform = await startPlatform({ runtime: 'docker' });
const scratch = await mkdtemp(join(tmpdir(), 'clarateach-reattach-'));
try {
  const { id, code } = await platform.workshop(1);
  const session = await platform.join(code, 'Ada');
  const address = seatAddress(session);
  const way = await tcpProxy(Number(new URL(session.endpoint).port));
  const throughWay = { ...address, url: address.url.replace(/:\d+\//, `:${way.port}/`) };
  try {
    const learner = new CountedOutput();
    let socket = await attach(throughWay, learner);
    socket.send(Buffer.from(PRINT));
    // Somebody whom no cut meets, at the seat itself: what is right.
    const right = new CountedOutput();
    const watcher = await attach(
      { url: `http://${await seatHost({ id }, session.seat)}:${TERMINAL_PORT}/terminal` },
      right,
      'read',
    );
    await right.reaches(learner.end + 500);
    const from = Math.max(learner.end, right.end);
    await learner.reaches(from);

    const cut = async (one: WebSocket, index: number) => {
      const closed = once(one, 'close');
      // The learner's browser goes, or the network between.
      if (index % 2 === 0) one.terminate();
      else way.cut();
      await closed;
      way.mend();
    };
    const product = async () => {
      const times: number[] = [];
      for (let index = 0; index < CUTS; index++) {
        await pause(BETWEEN_CUTS_MS);
        await cut(socket, index);
        await pause(BETWEEN_CUTS_MS);
        const began = performance.now();
        const missed = right.end;
        socket = await attach(throughWay, learner);
        await learner.reaches(missed);
        times.push(performance.now() - began);
      }
      return percentile(times, 0.99);
    };
    const result = await compare({
      name: `reattach until caught up, p99 of ${CUTS} cuts`,
      unit: 'ms',
      product: { name: 'ClaraTeach', measure: product },
      peer: { name: 'tmux attach', measure: () => tmuxAttach(scratch) },
      target: '≤ 50 ms',
    });
    for (let crash = 0; crash < CRASHES; crash++) {
      await platform.crash();
      socket = await again(() => attach(address, learner));
    }
    socket.send(Buffer.from('\u0003'));
    await pause(200);
    const to = right.end;
    await learner.reaches(to);
    const [seen, wanted] = [learner.between(from, to), right.between(from, to)];
    assert.ok(seen.equals(wanted), 'the learner has every byte once, in order');
    console.log(
      `${CUTS * rounds} cuts and ${CRASHES} kills of the gateway: 0 of ${wanted.length} bytes lost or doubled`,
    );
    socket.terminate();
    watcher.terminate();
    await save('reattach', [result]);
  } finally {
    await way.close();
  }
} finally {
  await platform.stop();
  await rm(scratch, { recursive: true, force: true });
}

/** After a crash the seat is let in once the server has seen it again. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (const until = performance.now() + 20_000; ; ) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Error && /bytes were lost/.test(error.message)) throw error;
      if (performance.now() > until) throw error;
      await pause(20);
    }
  }
}

/** The same tmux on this machine with a full screen: the time from `attach` until its last line is drawn. */
async function tmuxAttach(directory: string): Promise<number> {
  const config = join(import.meta.dirname, '..', 'apps', 'workspace', 'tmux.conf');
  const env = { ...process.env, TERM: 'xterm-256color', TMUX_TMPDIR: directory };
  const tmux = (args: readonly string[]) =>
    spawnPty('tmux', ['-u', '-L', 'reattach', '-f', config, ...args], { cols: 100, rows: 30, env });
  const shows = (pty: ReturnType<typeof tmux>, text: string) =>
    new Promise<void>((resolve) => {
      let seen = '';
      pty.onData((data) => {
        seen = (seen + data).slice(-65_536);
        if (seen.includes(text)) resolve();
      });
    });
  const first = tmux(['new-session', '-s', 'main', 'bash --norc']);
  const full = shows(first, 'line-40');
  first.write('clear; for i in $(seq 1 40); do echo line-$i; done\r');
  await full;
  const times: number[] = [];
  for (let index = 0; index < ATTACHES; index++) {
    const began = performance.now();
    const pty = tmux(['attach', '-d', '-t', 'main']);
    await shows(pty, 'line-40');
    times.push(performance.now() - began);
    const gone = new Promise((resolve) => pty.onExit(resolve));
    pty.kill('SIGHUP');
    await gone;
  }
  const last = tmux(['kill-server']);
  await new Promise((resolve) => last.onExit(resolve));
  return percentile(times, 0.99);
}
