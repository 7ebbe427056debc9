import { spawn } from 'node:child_process';
import { ProviderError } from '../../provider.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A program of the machine ended badly. */
export class ProgramFailed extends Error {
  readonly said: string;

  constructor(program: string, said: string) {
    super(`${program} failed: ${said}`);
    this.name = 'ProgramFailed';
    this.said = said;
  }
}

/** Runs a short program of the machine and returns what it printed. `input` is what it reads. */
export async function runProgram(program: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(program, args, { env: { PATH, LC_ALL: 'C' }, cwd: '/' });
  let out = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.on('error', (error: NodeJS.ErrnoException) =>
    reject(
      error.code === 'ENOENT'
        ? new ProviderError(
            'rejected',
            `This machine lacks the program ${program}, which microVM seats need.`,
            {
              cause: error,
            },
          )
        : error,
    ),
  );
  child.on('close', (code) => (code === 0 ? resolve() : reject(new ProgramFailed(program, said.trim()))));
  child.stdin.on('error', () => {
    // It ended without reading; its exit code tells.
  });
  child.stdin.end(input);
  await promise;
  return out;
}
