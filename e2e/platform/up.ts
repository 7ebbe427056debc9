import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connectInstructor, type Instructor } from '@clarateach/bench/platform';
import { IMAGES } from '@clarateach/seats/providers/microvm/testing';
import { freePort } from '@clarateach/server/testing/free-port';
import { endAll, leftOf, type Traces } from './leftovers.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_MS = 300_000;
const END_MS = 60_000;
/** What is just going away is given this long. */
const GRACE_MS = 3_000;
/** Settings of whoever runs the tests are not for the servers of the tests. */
const SETTINGS =
  /^(PORT|HOST|PUBLIC_URL|DATA_DIR|DATABASE_URL|WORKSPACE_TOKEN_SECRET|CORS_ORIGINS|RUNTIME|TRUST_PROXY|SMTP_URL|MAIL_FROM|SIGN_UP|SIGN_UP_DOMAINS|OIDC_\w+)$/;

export type SeatRuntime = 'local' | 'docker' | 'firecracker';
export type Settings = Readonly<Record<string, string>>;

export interface StartOptions {
  readonly args?: readonly string[];
  readonly env?: Settings;
}

/** A data directory of its own on which `clarateach up` is started, killed and started again. */
export interface Installation extends AsyncDisposable {
  readonly data: string;
  readonly port: number;
  readonly url: string;
  /** Starts the server and waits until it is ready. */
  up(options?: StartOptions): Promise<Running>;
  /** Starts it and waits for nothing. */
  launch(options?: StartOptions): Launched;
  /** What of this installation is there: containers, networks, volumes, processes. Another's are not looked at. */
  leftBehind(): Promise<string[]>;
  /** Removes the data directory, which is kept on purpose. */
  remove(): Promise<void>;
  /** Ends whatever a test that failed has left, and removes it. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A server process from its first moment on. */
export interface Launched {
  readonly pid: number;
  readonly lines: readonly string[];
  readonly errors: readonly string[];
  /** Resolves when the server says that it is ready; rejects with what it wrote when it ends before. */
  readonly ready: Promise<Running>;
  readonly ended: Promise<number | null>;
  signal(name: NodeJS.Signals): void;
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

export async function newInstallation(
  runtime: SeatRuntime,
  options: {
    readonly databaseUrl?: string;
    /** A directory to use, and to leave where it is. */
    readonly data?: string;
    /** A command that runs the server elsewhere, such as in a network namespace. */
    readonly within?: readonly string[];
    /** Where this machine reaches it, when that is not its loopback. */
    readonly host?: string;
  } = {},
): Promise<Installation> {
  const data = options.data ?? (await mkdtemp(join(tmpdir(), 'clarateach-e2e-')));
  const port = await freePort();
  const { databaseUrl } = options;
  const traces: Traces = { data, ...(databaseUrl === undefined ? {} : { databaseUrl }) };
  const launched: Launched[] = [];
  const installation: Installation = {
    data,
    port,
    url: `http://${options.host ?? 'localhost'}:${port}`,
    launch({ args = [], env = {} } = {}) {
      const started = launch(
        ['up', '--port', String(port), '--data', data, '--runtime', runtime, ...args],
        {
          ...(runtime === 'firecracker' ? { IMAGES_DIR: IMAGES } : {}),
          ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
          ...env,
        },
        options.within,
      );
      launched.push(started);
      return started;
    },
    up: (start) => installation.launch(start).ready,
    async leftBehind() {
      const deadline = Date.now() + GRACE_MS;
      for (;;) {
        const left = await leftOf(traces);
        if (left.length === 0 || Date.now() > deadline) return left;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    async remove() {
      if (options.data === undefined) await rm(data, { recursive: true, force: true });
    },
    async [Symbol.asyncDispose]() {
      for (const each of launched) await end(each);
      await endAll(traces);
      await installation.remove();
    },
  };
  return installation;
}

/** Ends a server by Ctrl-C; kills one that does not end in time. */
export async function end(launched: Launched): Promise<void> {
  launched.signal('SIGINT');
  const timer = setTimeout(() => launched.signal('SIGKILL'), END_MS);
  await launched.ended;
  clearTimeout(timer);
}

/** Runs the command to its end; for starts that are refused. */
export async function runToEnd(
  args: readonly string[],
  env: Settings = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { signal, ended, lines, errors } = launch(args, env);
  const timer = setTimeout(() => signal('SIGKILL'), END_MS);
  const code = await ended;
  clearTimeout(timer);
  return { code, stdout: lines.join('\n'), stderr: errors.join('\n') };
}

/** Starts the command line as a process of its own. */
export function launch(
  args: readonly string[],
  env: Settings = {},
  within: readonly string[] = [],
): Launched {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SETTINGS.test(name)));
  const [program = '', ...rest] = [...within, process.execPath, 'apps/cli/src/main.ts', ...args];
  const child: ChildProcess = spawn(program, rest, {
    cwd: ROOT,
    env: { ...inherited, LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const errors: string[] = [];
  const ready = Promise.withResolvers<Running>();
  const ended = (once(child, 'close') as Promise<[number | null]>).then(([code]) => code);
  const launched: Launched = {
    pid: child.pid as number,
    lines,
    errors,
    ready: ready.promise,
    ended,
    signal: (name) => child.kill(name),
  };
  const running = (): Running => ({
    lines,
    pid: launched.pid,
    signIn: lines.map((line) => /^Sign in: (\S+)/.exec(line)?.[1]).find((link) => link !== undefined),
    stop() {
      child.kill('SIGINT');
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  });
  if (child.stderr) createInterface({ input: child.stderr }).on('line', (line) => errors.push(line));
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.startsWith('ClaraTeach is ready at ')) ready.resolve(running());
    });
  }
  const timer = setTimeout(() => {
    ready.reject(new Error(`The server was not ready in time.\n${errors.slice(-20).join('\n')}`));
    child.kill('SIGKILL');
  }, START_MS);
  void ended.then((code) =>
    ready.reject(new Error(`The server ended with ${code}:\n${errors.slice(-20).join('\n')}`)),
  );
  // Whoever asks for it handles it; a start that is meant to fail is nobody's unhandled rejection.
  ready.promise.catch(() => undefined).finally(() => clearTimeout(timer));
  return launched;
}

/** The first admin of a freshly started installation. */
export function firstInstructor(installation: { url: string }, running: Running): Promise<Instructor> {
  if (!running.signIn) throw new Error('The first start printed no sign-in link.');
  return connectInstructor(installation.url, running.signIn);
}

/** Looks again and again until it is so; fails after the deadline. */
export async function eventually(
  what: string,
  look: () => Promise<boolean>,
  deadlineMs = 120_000,
): Promise<void> {
  const deadline = Date.now() + deadlineMs;
  while (!(await look())) {
    if (Date.now() > deadline) throw new Error(`It did not happen in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
