import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

interface CommandOptions {
  readonly cwd?: string;
  readonly signal: AbortSignal;
  readonly onLine: (line: string) => void;
}

/** A command that ended badly, with the last lines it wrote. */
export class CommandFailed extends Error {
  readonly lastLines: readonly string[];

  constructor(command: string, ended: string, lastLines: readonly string[]) {
    super(`${command} ${ended}${lastLines.length > 0 ? `: ${lastLines.slice(-3).join(' | ')}` : ''}`);
    this.name = 'CommandFailed';
    this.lastLines = lastLines;
  }
}

/** Runs a program to its end, line by line. Throws {@link CommandFailed}, or the spawn error (`ENOENT`). */
export async function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<void> {
  options.signal.throwIfAborted();
  const child = spawn(command, args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: options.signal,
    killSignal: 'SIGTERM',
  });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (line.trim() === '') return;
      last.push(line.trim());
      if (last.length > 20) last.shift();
      options.onLine(line);
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.on('error', reject);
  child.on('close', (code, signal) => {
    if (code === 0) resolve();
    else
      reject(new CommandFailed(command, signal ? `was ended by ${signal}` : `failed (exit ${code})`, last));
  });
  await promise;
}
