import type { Config } from '@clarateach/server/config';
import { createServer, type RunningServer } from '@clarateach/server/main';
import { CommandError } from '../errors.ts';

/** Starts the server in this process. At its end it stops its seats, or leaves them for the next start to find. */
export async function startServer(
  config: Config,
  atEnd: 'stop-seats' | 'leave-seats',
): Promise<RunningServer> {
  try {
    return await createServer(config, { atEnd });
  } catch (error) {
    throw new CommandError(`The server could not start. ${(error as Error).message}`, { cause: error });
  }
}
