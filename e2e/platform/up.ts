import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connectInstructor, freePort, type Instructor } from '@clarateach/bench/platform';
import { dockerThings } from '../runner/leaks.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_MS = 300_000;

export type SeatRuntime = 'local' | 'docker';

/** A data directory of its own on which `./clarateach up` is started, killed and started again. */
export interface Installation {
  readonly data: string;
  readonly port: number;
  readonly url: string;
  /** Starts the server and waits until it is ready; gives the lines it has printed. */
  up(options?: { args?: readonly string[]; env?: Readonly<Record<string, string>> }): Promise<Running>;
  /** Removes what is kept on purpose; then everything that is still there was left behind. */
  remove(): Promise<void>;
  leftBehind(): Promise<string[]>;
}

export interface Running {
  readonly lines: readonly string[];
  readonly pid: number;
  /** The one-time link of a first start. */
  readonly signIn: string | undefined;
  /** Ctrl-C; gives the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
}

export async function newInstallation(runtime: SeatRuntime): Promise<Installation> {
  const data = await mkdtemp(join(tmpdir(), 'clarateach-e2e-'));
  const port = await freePort();
  const dockerBefore = await dockerThings();
  return {
    data,
    port,
    url: `http://localhost:${port}`,
    up: (options = {}) =>
      start(
        ['up', '--port', String(port), '--data', data, '--runtime', runtime, ...(options.args ?? [])],
        options.env,
      ),
    remove: () => rm(data, { recursive: true, force: true }),
    async leftBehind() {
      const docker = [...(await dockerThings())].filter((name) => !dockerBefore.has(name));
      return [...docker, ...(await processesOf(data))];
    },
  };
}

/** Runs the command to its end; for starts that are refused. */
export async function runToEnd(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = clarateach(args, env);
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}

function clarateach(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess {
  return spawn(process.execPath, ['apps/cli/src/main.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, LOG_LEVEL: 'info', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Running> {
  const child = clarateach(args, env);
  const lines: string[] = [];
  const errors: string[] = [];
  const ready = Promise.withResolvers<void>();
  const read = (from: NodeJS.ReadableStream | null, to: string[]) => {
    if (from) createInterface({ input: from }).on('line', (line) => to.push(line));
  };
  read(child.stderr, errors);
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.startsWith('ClaraTeach is ready at ')) ready.resolve();
    });
  }
  const ended = once(child, 'exit') as Promise<[number | null]>;
  void ended.then(([code]) =>
    ready.reject(new Error(`up ended with ${code}:\n${errors.slice(-20).join('\n')}`)),
  );
  const timer = setTimeout(() => ready.reject(new Error('up was not ready in time.')), START_MS);
  try {
    await ready.promise;
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return {
    lines,
    pid: child.pid as number,
    signIn: lines.map((line) => /^Sign in: (\S+)/.exec(line)?.[1]).find((link) => link !== undefined),
    async stop() {
      child.kill('SIGINT');
      const [code] = await ended;
      return code;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Processes that were given the data directory, by their arguments or their environment. */
async function processesOf(data: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    const mounts = await readFile(`/proc/${pid}/mounts`, 'utf8').catch(() => '');
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if ([command, mounts, environment].some((text) => text.includes(data))) {
      found.push(`process ${pid} ${command.replaceAll('\0', ' ').slice(0, 120)}`);
    }
  }
  return found;
}

/** The first admin of a freshly started installation. */
export function firstInstructor(installation: Installation, running: Running): Promise<Instructor> {
  if (!running.signIn) throw new Error('The first start printed no sign-in link.');
  return connectInstructor(installation.url, running.signIn);
}

/** Looks again and again until it is so; fails after the deadline with the last look. */
export async function eventually(
  what: string,
  look: () => Promise<boolean>,
  deadlineMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`It did not happen in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
