import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { ProviderError } from '../../provider.ts';

const ANSWER_MS = 30_000;

/** QEMU's machine protocol on a Unix socket, one command after the other. */
export interface Qmp extends AsyncDisposable {
  /** What QEMU returns; throws a {@link ProviderError} with QEMU's words when it refuses. */
  execute(command: string, args?: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>>;
  /** Asks until the answer's `status` is one of `wanted`. Throws for any that is neither that nor `meanwhile`. */
  reach(command: string, wanted: string, meanwhile: readonly string[]): Promise<void>;
}

/** Connects to the QEMU that listens there; the socket is waited for. */
export async function connectQmp(path: string, signal: AbortSignal): Promise<Qmp> {
  // By way of an open directory: the path of a socket holds 107 bytes, and a data directory may be deeper.
  const directory = await open(dirname(path));
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    for (;;) {
      const socket = connect(join('/proc/self/fd', `${directory.fd}`, basename(path)));
      try {
        await once(socket, 'connect', { signal: deadline });
        return await greeted(socket, deadline);
      } catch (error) {
        socket.destroy();
        signal.throwIfAborted();
        const { code } = error as NodeJS.ErrnoException;
        if (deadline.aborted || (code !== 'ENOENT' && code !== 'ECONNREFUSED')) throw silent(error);
        await pause(5);
      }
    }
  } finally {
    await directory.close();
  }
}

async function greeted(socket: ReturnType<typeof connect>, deadline: AbortSignal): Promise<Qmp> {
  const answers: Record<string, unknown>[] = [];
  let waiting: (() => void) | undefined;
  let ended = false;
  const news = () => {
    waiting?.();
    waiting = undefined;
  };
  const lines = createInterface({ input: socket });
  // It passes on the socket's errors, which `close` tells of as well.
  lines.on('error', () => {});
  lines.on('line', (line) => {
    const answer = JSON.parse(line) as Record<string, unknown>;
    if ('event' in answer) return;
    answers.push(answer);
    news();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
    news();
  });
  socket.setTimeout(ANSWER_MS, () => socket.destroy());
  deadline.addEventListener('abort', () => socket.destroy(), { once: true });

  async function next(): Promise<Record<string, unknown>> {
    while (answers.length === 0) {
      if (ended) throw silent(undefined);
      await new Promise<void>((resolve) => (waiting = resolve));
    }
    return answers.shift() ?? {};
  }
  const qmp: Qmp = {
    async execute(command, args) {
      socket.write(`${JSON.stringify({ execute: command, ...(args ? { arguments: args } : {}) })}\n`);
      const answer = await next();
      if ('return' in answer) return answer.return as Record<string, unknown>;
      const { desc } = (answer.error ?? {}) as { desc?: string };
      throw new ProviderError('unreachable', `QEMU refused ${command}: ${desc ?? JSON.stringify(answer)}`);
    },
    async reach(command, wanted, meanwhile) {
      for (;;) {
        const { status, ...rest } = await qmp.execute(command);
        if (status === wanted) return;
        if (status !== undefined && !meanwhile.includes(String(status))) {
          throw new ProviderError(
            'unreachable',
            `QEMU is ${String(status)}, not ${wanted} ${JSON.stringify(rest)}`,
          );
        }
        await pause(2);
      }
    },
    async [Symbol.asyncDispose]() {
      socket.destroy();
    },
  };
  await next();
  await qmp.execute('qmp_capabilities');
  return qmp;
}

function silent(cause: unknown): ProviderError {
  return new ProviderError('unreachable', 'QEMU does not answer.', { cause });
}
