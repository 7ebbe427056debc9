import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ConfigError } from '@clarateach/contract/settings';
import { type Config, readConfig } from '@clarateach/server/config';
import { type Database, migrate, openDatabase } from '@clarateach/server/store/database';
import { CommandError, UsageError } from '../errors.ts';
import type { Output } from '../output.ts';

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

/** {@link configFrom} for a command beside the server: tells its user which database it is about. */
export function operatorConfig(
  output: Output,
  settings: Readonly<Record<string, string | undefined>>,
): Config {
  const config = configFrom(settings);
  output.note(`Database: ${databaseName(config.database)}`);
  return config;
}

/** What a person knows the database by: its file, or where it is, without a password. */
export function databaseName(location: Config['database']): string {
  if (location.kind === 'sqlite') return location.file;
  const { hostname, port, pathname } = new URL(location.url);
  return `postgresql://${hostname}${port === '' ? '' : `:${port}`}${pathname}`;
}

/** The server's database with this version's schema; made where there is none. */
export async function openMigrated(
  config: Config,
): Promise<{ readonly database: Database; readonly made: boolean; readonly migrations: readonly string[] }> {
  const { database: location } = config;
  if (location.kind === 'sqlite') {
    try {
      await mkdir(dirname(location.file), { recursive: true });
    } catch (cause) {
      throw new CommandError(
        `The directory of the database ${location.file} cannot be made: ${(cause as Error).message}. Choose another with --data, or DATABASE_URL.`,
        { cause },
      );
    }
  }
  return opened(location, async (database) => {
    const made = !(await holdsInstallation(database));
    return { database, made, migrations: await migrate(database) };
  });
}

/**
 * The same for commands that change or show what a server has made. Makes no database: one that is made
 * here would be another than the server's, and the command would report success on it.
 */
export async function openInstallation({ database: location }: Config): Promise<Database> {
  if (location.kind === 'sqlite' && !(await exists(location.file))) throw noInstallation(location);
  return opened(location, async (database) => {
    if (!(await holdsInstallation(database))) throw noInstallation(location);
    await migrate(database);
    return database;
  });
}

/** Throws where {@link openInstallation} would find none. */
export async function requireInstallation(config: Config): Promise<void> {
  await (await openInstallation(config)).close();
}

async function opened<T>(
  location: Config['database'],
  prepare: (database: Database) => Promise<T>,
): Promise<T> {
  try {
    const database = openDatabase(location.kind === 'sqlite' ? { ...location, access: 'shared' } : location);
    try {
      return await prepare(database);
    } catch (error) {
      await database.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError((error as Error).message, { cause: error });
  }
}

async function holdsInstallation({ db }: Database): Promise<boolean> {
  return (await db.introspection.getTables()).some(({ name }) => name === 'settings');
}

function noInstallation(location: Config['database']): CommandError {
  return new CommandError(
    `There is no database of ClaraTeach at ${databaseName(location)}, so nothing was done. ` +
      "Name the server's data directory (`--data DIR`, or DATA_DIR), or its DATABASE_URL. " +
      'An installation that has none yet gets it at the first start of the server, or by `clarateach db migrate`.',
  );
}

/** Throws where the file is there, but is another user's. */
async function exists(file: string): Promise<boolean> {
  try {
    await access(file, constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw new CommandError(
      `The database ${file} cannot be used: ${(error as Error).message}. Run this as the user that the server runs as.`,
      { cause: error },
    );
  }
}
