import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from '@clarateach/contract/settings';
import { type Config, readConfig } from '@clarateach/server/config';
import { type Database, migrate, openDatabase } from '@clarateach/server/store/database';
import { CommandError, UsageError } from '../errors.ts';

/** The server's settings: those of the environment, and what the command line says instead. */
export function configFrom(settings: Readonly<Record<string, string | undefined>>): Config {
  const said = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  try {
    return readConfig({ ...process.env, ...said });
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message);
    throw error;
  }
}

/** The server's database with this version's schema, for a command beside the server. */
export async function openMigrated(
  config: Config,
): Promise<{ database: Database; migrations: readonly string[] }> {
  const location = config.database;
  if (location.kind === 'sqlite') await mkdir(dirname(location.file), { recursive: true });
  try {
    const database = openDatabase(location.kind === 'sqlite' ? { ...location, access: 'shared' } : location);
    try {
      return { database, migrations: await migrate(database) };
    } catch (error) {
      await database.close();
      throw error;
    }
  } catch (error) {
    throw new CommandError((error as Error).message, { cause: error });
  }
}
