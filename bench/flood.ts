/**
 * BENCH 6: 25 MB of `cat` through seat and gateway, beside a bare PTY on the same tmux; the server's
 * memory under a stalled reader; Ctrl-C in a flood.
 */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn as spawnPty } from '@lydell/node-pty';
import { compare, options, percentile, rounds, save } from './harness.ts';
import { type Platform, startPlatform } from './platform.ts';
import { openTerminal, seatAddress, type Terminal } from './terminal.ts';

const MEGABYTES = options.short ? 5 : 25;
const LINE = `${'clarateach '.repeat(9)}\n`;
const LINES = Math.ceil((MEGABYTES * 1e6) / LINE.length);
/** Makes the same file on both sides, and says so in a way that its own echo does not. */
const MAKE = `yes '${LINE.trimEnd()}' | head -n ${LINES} > /tmp/flood.txt; clear; echo $((6*7))-made\r`;
const CAT = 'cat /tmp/flood.txt; echo $((6*7))-done\r';

const platform = await startPlatform({ runtime: 'docker' });
const scratch = await mkdtemp(join(tmpdir(), 'clarateach-flood-'));
try {
  const workshop = await platform.workshop(1);
  const session = await platform.join(workshop.code, 'Flooder');
  const open = () => openTerminal(seatAddress(session));

  const product = async () => {
    const terminal = await open();
    await made(terminal);
    const began = performance.now();
    const done = terminal.shows('42-done');
    terminal.write(CAT);
    await done;
    const seconds = (performance.now() - began) / 1000;
    await terminal.close();
    return MEGABYTES / seconds;
  };

  const results = [
    await compare({
      name: `throughput of ${MEGABYTES} MB of cat`,
      unit: 'MB/s',
      product: { name: 'ClaraTeach', measure: product },
      peer: { name: 'bare PTY on the same tmux', measure: () => bare() },
      target: '≥ 0.9',
    }),
  ];
  await stalledReader(platform, open);
  await interrupt(open);
  await save('flood', results);
} finally {
  await platform.stop();
  await rm(scratch, { recursive: true, force: true });
}

async function made(terminal: Terminal): Promise<void> {
  const ready = terminal.shows('42-made');
  terminal.write(MAKE);
  await ready;
}

/** The same shell commands in the same tmux, read by nobody but this program. */
async function bare(): Promise<number> {
  const config = join(scratch, 'tmux.conf');
  await writeFile(config, readFileSync(new URL('../apps/workspace/tmux.conf', import.meta.url)));
  const pty = spawnPty(
    'tmux',
    ['-u', '-L', 'clarateach-bench', '-f', config, 'new-session', '-A', '-s', 'main', 'bash --norc'],
    {
      cols: 100,
      rows: 30,
      encoding: null,
      env: { ...process.env, TERM: 'xterm-256color', TMUX_TMPDIR: scratch },
    },
  );
  let tail = '';
  let wake = () => {};
  pty.onData((data) => {
    tail = (tail + Buffer.from(data as unknown as Uint8Array).toString('latin1')).slice(-4096);
    wake();
  });
  const shows = (text: string) =>
    new Promise<void>((resolve) => {
      wake = () => {
        if (tail.includes(text)) resolve();
      };
    });
  try {
    const ready = shows('42-made');
    pty.write(MAKE);
    await ready;
    tail = '';
    const began = performance.now();
    const done = shows('42-done');
    pty.write(CAT);
    await done;
    return MEGABYTES / ((performance.now() - began) / 1000);
  } finally {
    const ended = new Promise((resolve) => pty.onExit(resolve));
    pty.write('\u0003\rtmux kill-server\r');
    await ended;
  }
}

async function stalledReader({ pid }: Platform, open: () => Promise<Terminal>): Promise<void> {
  const terminal = await open();
  await made(terminal);
  const before = rssMiB(pid);
  terminal.write('yes\r');
  terminal.pause();
  await new Promise((resolve) => setTimeout(resolve, options.short ? 500 : 5_000));
  const after = rssMiB(pid);
  terminal.resume();
  const prompt = terminal.shows('42-made');
  terminal.write('\u0003\u0015echo $((6*7))-made\r');
  await prompt;
  await terminal.close();
  console.log(`stalled reader: server ${before.toFixed(1)} → ${after.toFixed(1)} MiB (target ≤ +2)`);
}

async function interrupt(open: () => Promise<Terminal>): Promise<void> {
  const latencies: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const terminal = await open();
    terminal.write('clear; yes\r');
    let bytes = 0;
    await terminal.until((chunk) => {
      bytes += chunk.length;
      return bytes > 1_000_000;
    });
    const began = performance.now();
    const prompt = terminal.shows('^C');
    terminal.write('\u0003');
    await prompt;
    latencies.push(performance.now() - began);
    await terminal.close();
  }
  console.log(
    `Ctrl-C in a flood → ^C and prompt: median ${percentile(latencies, 0.5).toFixed(1)} ms (target ≤ 10)`,
  );
}

function rssMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}
