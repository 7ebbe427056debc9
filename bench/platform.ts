import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { IMAGES } from '@clarateach/seats/providers/microvm/testing';
import { freePort } from '@clarateach/server/testing/free-port';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The API of a running server, as its first instructor uses it. */
export interface Instructor {
  /** Where the server is, as browsers reach it. */
  readonly url: string;
  /** Calls the API; throws unless the answer is a success. */
  api<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** A workshop whose seats are all usable. */
  workshop(seats: number): Promise<WorkshopDetails>;
  /** Deletes a workshop and waits until nothing of it is left. */
  remove(id: string): Promise<void>;
  join(code: string, name: string): Promise<SeatSession>;
}

/** The product as its users start it, in a process of its own. */
export interface Platform extends Instructor {
  readonly pid: number;
  /** Kills it as a crash does, and starts it again; its seats run on meanwhile. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPlatform(options: {
  readonly runtime: 'local' | 'docker' | 'firecracker';
}): Promise<Platform> {
  const data = await mkdtemp(join(tmpdir(), 'clarateach-bench-'));
  const port = await freePort();
  const start = () =>
    spawn(
      process.execPath,
      ['apps/cli/src/main.ts', 'up', '--port', String(port), '--data', data, '--runtime', options.runtime],
      {
        cwd: ROOT,
        env: { ...process.env, IMAGES_DIR: IMAGES, LOG_LEVEL: 'warn' },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
  let child = start();
  const { url, signIn } = await started(child);
  const instructor = await connectInstructor(url, signIn);
  return {
    ...instructor,
    get pid() {
      return child.pid as number;
    },
    async crash() {
      child.kill('SIGKILL');
      await once(child, 'exit');
      child = start();
      await started(child);
    },
    async stop() {
      if (child.exitCode === null) {
        // Ctrl-C keeps the files of what still runs; a benchmark keeps nothing.
        const { workshops } = await instructor.api<{ workshops: { id: string }[] }>('GET', '/api/workshops');
        for (const { id } of workshops) await instructor.remove(id);
        child.kill('SIGINT');
        await once(child, 'exit');
      }
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** Signs in by the one-time link and makes an API token. */
export async function connectInstructor(url: string, signIn: string): Promise<Instructor> {
  const token = await instructorToken(signIn);

  const api = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(new URL(path, url), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };

  return {
    url,
    api,
    async workshop(seats) {
      const details = await api<WorkshopDetails>('POST', '/api/workshops?wait=ready', {
        name: 'Bench',
        seats,
        start: true,
      });
      if (details.phase !== 'ready') throw new Error(`The workshop is ${details.phase}.`);
      return details;
    },
    async remove(id) {
      await api('DELETE', `/api/workshops/${id}`);
      const gone = async () => {
        const { workshops } = await api<{ workshops: { id: string }[] }>('GET', '/api/workshops');
        return !workshops.some((each) => each.id === id);
      };
      while (!(await gone())) await new Promise((resolve) => setTimeout(resolve, 50));
    },
    join: (code, name) => api('POST', '/api/join', { code, name }),
  };
}

async function started(child: ChildProcess): Promise<{ url: string; signIn: string }> {
  let signIn: string | undefined;
  if (!child.stdout) throw new Error('The platform has no output.');
  for await (const line of createInterface({ input: child.stdout })) {
    signIn = /^Sign in: (\S+)/.exec(line)?.[1] ?? signIn;
    const url = /^ClaraTeach is ready at (\S+)/.exec(line)?.[1];
    if (url !== undefined && signIn !== undefined) {
      child.stdout.resume();
      return { url, signIn };
    }
  }
  throw new Error('The platform ended before it was ready.');
}

async function instructorToken(signIn: string): Promise<string> {
  const signedIn = await fetch(signIn, { redirect: 'manual' });
  const cookie = signedIn.headers
    .getSetCookie()
    .map((each) => each.split(';')[0])
    .join('; ');
  const { origin } = new URL(signIn);
  const made = await fetch(new URL('/api/tokens', origin), {
    method: 'POST',
    headers: { cookie, origin, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'bench' }),
  });
  if (!made.ok) throw new Error(`No API token was made: ${made.status} ${await made.text()}`);
  return ((await made.json()) as { token: string }).token;
}
