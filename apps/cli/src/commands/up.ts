import { resolve } from 'node:path';
import { MAX_SEATS } from '@clarateach/contract/form-limits';
import { Command, InvalidArgumentError, Option } from 'commander';
import { portNumber, wholeNumber } from '../numbers.ts';
import type { Output } from '../output.ts';
import { terminationSignal } from '../signals.ts';
import { DEFAULT_DATA_DIRECTORY } from './database-options.ts';

export interface UpOptions {
  port?: number;
  host?: string;
  data: string;
  runtime?: 'auto' | 'local' | 'docker' | 'firecracker';
  demo?: number;
}

export function upCommand(output: Output): Command {
  return new Command('up')
    .description('install and build what is missing, and run the server with its seats on this machine')
    .option('--port <n>', 'port of the server (8080, or PORT)', portNumber)
    .option('--host <address>', 'address to listen on (HOST; this machine alone when left out)')
    .addOption(
      new Option('--data <dir>', 'where the database and the files of local seats are')
        .env('DATA_DIR')
        .default(DEFAULT_DATA_DIRECTORY),
    )
    .addOption(
      new Option('--runtime <name>', 'what seats run in (auto, or RUNTIME)').choices([
        'auto',
        'local',
        'docker',
        'firecracker',
      ]),
    )
    .option('--demo <seats>', 'make a workshop with so many seats and print its join code', demoSeats)
    .action(async (options: UpOptions) => {
      const signal = terminationSignal(() => output.note('Stopping (Ctrl-C again leaves at once) …'));
      const { up } = await import('../up/up.ts');
      await up(output, signal, { ...options, data: resolve(options.data) });
    });
}

function demoSeats(text: string): number {
  const seats = wholeNumber(text);
  if (seats < 1 || seats > MAX_SEATS) {
    throw new InvalidArgumentError(`A workshop has 1 to ${MAX_SEATS} seats.`);
  }
  return seats;
}
