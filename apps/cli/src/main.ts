import { CommanderError } from 'commander';
import { CommandError, UsageError } from './errors.ts';
import { terminalOutput } from './output.ts';
import { createProgram } from './program.ts';
import { Interrupted } from './signals.ts';

const FAILED = 1;
const WRONG_USE = 2;
const INTERRUPTED = 130;

// A reader that has gone (`| head`, a closed terminal) ends no server and is no failure to report.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}

try {
  await createProgram(terminalOutput).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Says what went wrong, where that is not said yet, and returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_USE;
  if (error instanceof Interrupted) return INTERRUPTED;
  const known = error instanceof CommandError || error instanceof UsageError;
  const text = known
    ? error.message
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  terminalOutput.note(`clarateach: ${text}`);
  return error instanceof UsageError ? WRONG_USE : FAILED;
}
