import { randomInt } from 'node:crypto';
import { glob, readdir, readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { SeatSession } from '@clarateach/contract/join';
import { testClient } from '@clarateach/server/testing/server';
import fc from 'fast-check';
import WebSocket from 'ws';
import { firstInstructor, newInstallation } from '../platform/up.ts';
import { type Fuzz, fuzzes } from './fuzz-requests.ts';
import { operationsOf } from './operations.ts';
import { sayBytes } from './wire.ts';

const BATCH = 500;
const AT_ONCE = 12;
const ANSWER_MS = 20_000;
const SETTLE_MS = 30_000;
/** What a server may have more of at the end than after it was warm. */
const MORE_HANDLES = 20;
const MORE_MIB = 200;

export interface FuzzReport {
  readonly seed: number;
  readonly requests: number;
  readonly frames: number;
  readonly seconds: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Answers of 5xx, requests without an answer, errors in the server's log, leaks. Empty when all is well. */
  readonly failures: readonly string[];
  readonly handles: { readonly warm: number; readonly end: number };
  readonly memoryMiB: { readonly warm: number; readonly end: number };
}

/**
 * Sends so many generated requests to a server of its own with local seats. The same seed makes the
 * same requests.
 */
export async function fuzz(options: {
  readonly requests: number;
  readonly seed: number;
  readonly onProgress?: (done: number) => void;
}): Promise<FuzzReport> {
  const { requests, seed, onProgress = () => {} } = options;
  await using installation = await newInstallation('local');
  // Everybody behind a proxy of their own: limits of guesses would hide what is behind them.
  const launched = installation.launch({ env: { TRUST_PROXY: 'true', LOG_LEVEL: 'warn' } });
  const running = await launched.ready;
  const base = `http://127.0.0.1:${installation.port}`;
  const ben = await firstInstructor(installation, running);
  const { id, code } = await ben.workshop(1);
  const session: SeatSession = await ben.join(code, 'Fay');
  const { token } = await ben.api<{ token: string }>('POST', '/api/tokens', { name: 'fuzz' });
  const requestsOf = fuzzes({
    operations: await operationsOf(testClient(base, {})),
    apiToken: token,
    seatToken: session.token,
    seat: `${new URL(session.endpoint).pathname}/vm/${session.seat}`,
    code,
  });

  const sender = createSender(base);
  const failures: string[] = [];
  const statuses: Record<string, number> = {};
  const started = performance.now();
  let done = 0;
  let frames = 0;
  let warm: Usage | undefined;
  for (let batch = 0; done < requests; batch++) {
    const all = fc.sample(requestsOf, { numRuns: Math.min(BATCH, requests - done), seed: seed + batch });
    await sendAll(sender, all, { where: `batch ${batch}`, statuses, failures });
    frames += all.reduce((sum, each) => sum + (each.kind === 'websocket' ? each.frames.length : 0), 0);
    done += all.length;
    await forgetWorkshops(ben, id);
    if (warm === undefined && done >= requests / 5) warm = await usageOf(running.pid);
    onProgress(done);
  }
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  sender.close();
  const end = await settled(running.pid, warm as Usage);
  const health = await fetch(`${base}/api/health`);
  if (health.status !== 200) failures.push(`the server's health is ${health.status}`);
  failures.push(...leaksOf(warm as Usage, end), ...errorsOf(launched.errors));
  if (failures.length > 0) failures.push(...(await seatLogs(installation.data)));
  await ben.remove(id);
  await running.stop();
  const left = await installation.leftBehind();
  failures.push(...left.map((each) => `left behind: ${each}`));
  return {
    ...{ seed, requests: done, frames, seconds, statuses, failures },
    handles: { warm: (warm as Usage).handles, end: end.handles },
    memoryMiB: { warm: (warm as Usage).memoryMiB, end: end.memoryMiB },
  };
}

/** What is sent and what comes of it, for a whole batch. */
export async function sendAll(
  sender: ReturnType<typeof createSender>,
  all: readonly Fuzz[],
  seen: { readonly where: string; readonly statuses: Record<string, number>; readonly failures: string[] },
): Promise<void> {
  const { where, statuses, failures } = seen;
  const next = all.entries();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const [index, each] of next) {
        const status = await sender.send(each);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (/^5|^no/.test(status)) failures.push(`${status}: ${where}, ${index}: ${inShort(each)}`);
      }
    }),
  );
}

/** Sends one thing and says what came: a status, `101` for a WebSocket, or why there was none. */
export function createSender(base: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  const { hostname, port } = new URL(base);
  const http = (each: Fuzz & { kind: 'http' }): Promise<string> =>
    new Promise((resolve) => {
      const { method, target, headers, body } = each;
      const asked = request(
        { host: hostname, port, path: target, method, headers, agent, timeout: ANSWER_MS },
        (response) => {
          if (String(response.headers['content-type']).startsWith('text/event-stream')) asked.destroy();
          response.resume().on('error', () => undefined);
          response.on('close', () => resolve(String(response.statusCode)));
        },
      );
      asked.on('timeout', () => {
        resolve('no answer in time');
        asked.destroy();
      });
      asked.on('error', (error: NodeJS.ErrnoException) =>
        resolve(error.code === 'ECONNREFUSED' ? 'no server' : 'hung up'),
      );
      asked.end(body);
    });
  const webSocket = (each: Fuzz & { kind: 'websocket' }): Promise<string> =>
    new Promise((resolve) => {
      const socket = new WebSocket(`ws://${hostname}:${port}${each.target}`, [...each.protocols]);
      const timer = setTimeout(() => socket.terminate(), ANSWER_MS);
      let refused: string | undefined;
      socket.on('unexpected-response', (_request, response) => {
        refused = String(response.statusCode);
        response.destroy();
        socket.terminate();
      });
      socket.on('open', () => {
        for (const frame of each.frames) socket.send(frame);
        // What the frames cause comes before the answer to a ping.
        socket.ping();
      });
      socket.on('pong', () => socket.close());
      socket.on('error', () => undefined);
      socket.on('close', (closed) => {
        clearTimeout(timer);
        resolve(refused ?? (closed === 1011 ? '500 by close code 1011' : '101'));
      });
    });
  return {
    async send(each: Fuzz): Promise<string> {
      if (each.kind === 'http') return http(each);
      if (each.kind === 'websocket') return webSocket(each);
      const answer = await sayBytes(base, each.bytes, 60);
      return /^HTTP\/1\.1 (5\d\d)/m.exec(answer)?.[1] ?? 'bytes';
    },
    close: () => agent.destroy(),
  };
}

interface Usage {
  readonly handles: number;
  readonly memoryMiB: number;
}

async function usageOf(pid: number): Promise<Usage> {
  const [handles, status] = await Promise.all([
    readdir(`/proc/${pid}/fd`),
    readFile(`/proc/${pid}/status`, 'utf8'),
  ]);
  return {
    handles: handles.length,
    memoryMiB: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024),
  };
}

/** After what is just ending has ended. */
async function settled(pid: number, warm: Usage): Promise<Usage> {
  const deadline = Date.now() + SETTLE_MS;
  for (;;) {
    const now = await usageOf(pid);
    if (leaksOf(warm, now).length === 0 || Date.now() > deadline) return now;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

function leaksOf(warm: Usage, end: Usage): string[] {
  const leaks: string[] = [];
  if (end.handles > warm.handles + MORE_HANDLES)
    leaks.push(`handles: ${warm.handles} grew to ${end.handles}`);
  if (end.memoryMiB > warm.memoryMiB + MORE_MIB)
    leaks.push(`memory: ${warm.memoryMiB} MiB grew to ${end.memoryMiB}`);
  return leaks;
}

/** What the server itself says went wrong on its side. */
function errorsOf(lines: readonly string[]): string[] {
  return lines
    .filter((line) => /"level":(50|60)/.test(line) || /^\s+at |Error:/.test(line))
    .map((line) => `log: ${line.slice(0, 300)}`);
}

/** What the seats themselves say, for whoever looks into a failure. */
async function seatLogs(data: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const file of glob('seats/**/log', { cwd: data })) {
    const text = await readFile(join(data, file), 'utf8');
    lines.push(
      ...text
        .trim()
        .split('\n')
        .slice(-30)
        .map((line) => `seat: ${line.slice(0, 500)}`),
    );
  }
  return lines;
}

/** The made-up workshops, so that lists stay short. */
async function forgetWorkshops(
  ben: Awaited<ReturnType<typeof firstInstructor>>,
  keep: string,
): Promise<void> {
  const { workshops } = await ben.api<{ workshops: { id: string }[] }>('GET', '/api/workshops');
  await Promise.all(
    workshops.filter(({ id }) => id !== keep).map(({ id }) => ben.api('DELETE', `/api/workshops/${id}`)),
  );
  const { tokens } = await ben.api<{ tokens: { id: string; name: string }[] }>('GET', '/api/tokens');
  const made = tokens.filter(({ name }) => name !== 'fuzz' && name !== 'bench');
  await Promise.all(made.map(({ id }) => ben.api('DELETE', `/api/tokens/${id}`)));
}

function inShort(each: Fuzz): string {
  const text = JSON.stringify(each, (_name, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  );
  return text.replaceAll(/(bearer[. ])[\w.-]+/gi, '$1…').slice(0, 600);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { requests: { type: 'string', default: '100000' }, seed: { type: 'string' } },
  });
  const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
  const requests = Number(values.requests);
  process.stdout.write(
    `seed ${seed}; again with: node e2e/hostile/fuzz.ts --requests ${requests} --seed ${seed}\n`,
  );
  const report = await fuzz({
    requests,
    seed,
    onProgress: (done) => void (done % 10_000 === 0 && process.stdout.write(`${done} …\n`)),
  });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = report.failures.length === 0 ? 0 : 1;
}
