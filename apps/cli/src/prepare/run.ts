import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CommandError } from '../errors.ts';

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** Each line that the program writes, as it comes. */
  readonly onLine?: (line: string) => void;
}

const KEPT_LINES = 40;

/**
 * Runs a program to its end, in a process group of its own, so that an abort ends all it started.
 * Throws a CommandError with the end of what it wrote when it fails.
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<void> {
  options.signal?.throwIfAborted();
  const tail: string[] = [];
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has just ended by itself.
    }
  };
  options.signal?.addEventListener('abort', stop, { once: true });
  for (const stream of [child.stdout, child.stderr]) {
    let rest = '';
    stream.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split(/\r?\n/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        tail.push(line);
        if (tail.length > KEPT_LINES) tail.shift();
        options.onLine?.(line);
      }
    });
  }
  try {
    const [code] = await once(child, 'close');
    options.signal?.throwIfAborted();
    if (code !== 0) {
      throw new CommandError(
        `${[program, ...args].join(' ')} failed (exit code ${code}):\n${tail.join('\n')}`,
      );
    }
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') {
      throw new CommandError(`${program} is not installed.`, { cause: error });
    }
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', stop);
  }
}
