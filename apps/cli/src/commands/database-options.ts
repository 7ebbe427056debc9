import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { STATE_DIRECTORY } from '../root.ts';

/** What a command needs that works on the server's own data, without asking the server. */
export interface DatabaseOptions {
  /** Data directory of the server; not used when DATABASE_URL names a PostgreSQL. */
  readonly data: string;
  readonly json?: boolean;
}

export const DEFAULT_DATA_DIRECTORY = join(STATE_DIRECTORY, 'data');
export const DEFAULT_AGENT_DIRECTORY = join(STATE_DIRECTORY, 'agent');

export function withDatabaseOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--data <dir>', 'data directory of the server; DATABASE_URL names a PostgreSQL instead')
        .env('DATA_DIR')
        .default(DEFAULT_DATA_DIRECTORY),
    )
    .option('--json', 'print JSON');
}
