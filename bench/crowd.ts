/** BENCH 8: 500 terminals at 40 KB/s through the gateway, beside haproxy to the same terminals. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { FRAME_BYTES, FRAMES_PER_SECOND } from './crowd-frames.ts';
import { startGateway } from './gateway.ts';
import { compare, options, save } from './harness.ts';
import { haproxyToSocket } from './proxies.ts';

const TERMINALS = options.short ? 20 : 500;
const SECONDS = options.short ? 2 : 10;
const FRAMES = SECONDS * FRAMES_PER_SECOND;
/** Ticks of processor time in /proc, a second. */
const TICKS = 100;

interface Door {
  readonly pid: number;
  open(terminal: number): WebSocket;
}

/** Processor seconds of the door while it carried all frames of all terminals. */
async function carry(door: Door): Promise<{ cpuSeconds: number; megabytesPerSecond: number }> {
  const sockets = Array.from({ length: TERMINALS }, (_, index) => door.open(index + 1));
  await Promise.all(sockets.map((socket) => once(socket, 'open')));
  const before = cpuSeconds(door.pid);
  const began = performance.now();
  await Promise.all(
    sockets.map(
      (socket, index) =>
        new Promise<void>((resolve, reject) => {
          let next = 0;
          socket.on('message', (frame: Buffer) => {
            if (frame.length !== FRAME_BYTES || frame.readUInt32BE() !== next) {
              reject(new Error(`Terminal ${index + 1} lost frame ${next}.`));
            }
            next += 1;
            if (next === FRAMES) resolve();
          });
          socket.on('close', () => reject(new Error(`Terminal ${index + 1} was dropped.`)));
          socket.send(JSON.stringify({ frames: FRAMES, delayMs: (index / TERMINALS) * 100 }));
        }),
    ),
  );
  const seconds = (performance.now() - began) / 1000;
  const used = cpuSeconds(door.pid) - before;
  for (const socket of sockets) {
    socket.removeAllListeners('close');
    socket.close();
  }
  await Promise.all(sockets.map((socket) => once(socket, 'close')));
  return { cpuSeconds: used, megabytesPerSecond: (TERMINALS * FRAMES * FRAME_BYTES) / 1e6 / seconds };
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

const directory = await mkdtemp(join(tmpdir(), 'clarateach-crowd-'));
const source = spawn(
  process.execPath,
  [fileURLToPath(new URL('./crowd-seat.ts', import.meta.url)), directory],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
await once(source.stdout, 'data');
const gateway = await startGateway(directory, TERMINALS);
const peer = await haproxyToSocket(join(directory, '3001.sock'));
try {
  const asked = (TERMINALS * FRAMES_PER_SECOND * FRAME_BYTES) / 1e6;
  const throughput = { product: [] as number[], peer: [] as number[] };
  const measure = (side: 'product' | 'peer', door: Door) => async () => {
    const { cpuSeconds, megabytesPerSecond } = await carry(door);
    throughput[side].push(megabytesPerSecond);
    return cpuSeconds;
  };
  const result = await compare({
    name: `processor time for ${TERMINALS} terminals at 40 KB/s over ${SECONDS} s`,
    unit: 's',
    product: {
      name: 'ClaraTeach gateway',
      measure: measure('product', {
        pid: gateway.pid,
        open(terminal) {
          const { path, token } = gateway.seat(terminal);
          return new WebSocket(`ws://127.0.0.1:${gateway.port}${path}/terminal`, {
            headers: { authorization: `Bearer ${token}` },
            perMessageDeflate: false,
          });
        },
      }),
    },
    peer: {
      name: 'haproxy',
      measure: measure('peer', {
        pid: peer.pid,
        open: () => new WebSocket(`${peer.url.replace('http', 'ws')}/terminal`, { perMessageDeflate: false }),
      }),
    },
    target: '≤ 1.5',
  });
  for (const side of ['product', 'peer'] as const) {
    const least = Math.min(...throughput[side]);
    console.log(
      `  ${result[side].name}: at least ${((least / asked) * 100).toFixed(1)} % of ${asked.toFixed(1)} MB/s, no frame lost, no terminal dropped`,
    );
  }
  await save('crowd', [result]);
} finally {
  await gateway.stop();
  await peer.stop();
  source.kill('SIGTERM');
  if (source.exitCode === null) await once(source, 'exit');
  await rm(directory, { recursive: true, force: true });
}
