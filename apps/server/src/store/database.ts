import { randomUUID } from 'node:crypto';
import { CamelCasePlugin, Kysely, type Transaction } from 'kysely';
import { Migrator } from 'kysely/migration';
import { people } from './migrations/0001-people.ts';
import { workshops } from './migrations/0002-workshops.ts';
import { workers } from './migrations/0003-workers.ts';
import { accounts } from './migrations/0004-accounts.ts';
import { registrations } from './migrations/0005-registrations.ts';
import { auditAndRevocations } from './migrations/0006-audit-and-revocations.ts';
import { openPostgres } from './postgres.ts';
import type { Schema } from './schema.ts';
import { openSqlite } from './sqlite.ts';

export type DatabaseConfig =
  /** `serve` refuses a second server on the file; `shared` is for commands beside a server. */
  | { readonly kind: 'sqlite'; readonly file: string; readonly access: 'serve' | 'shared' }
  | { readonly kind: 'postgresql'; readonly url: string };
export type DatabaseKind = DatabaseConfig['kind'];

/**
 * The database, by one schema on both kinds. Code says camelCase, columns are snake_case. A lost
 * connection surfaces as the public error `unavailable`, a full disk as `no_space`.
 */
export interface Database {
  readonly kind: DatabaseKind;
  readonly db: Kysely<Schema>;
  /** Whether rows are locked by `for update`; without, a transaction has the database to itself. */
  readonly rowLocks: boolean;
  /**
   * One transaction: exclusive on SQLite, READ COMMITTED on PostgreSQL. Tried again after a
   * deadlock, so `work` does nothing that a rollback cannot undo. Inside it only `trx` may be used.
   */
  transaction<T>(work: (trx: Transaction<Schema>) => Promise<T>): Promise<T>;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const MIGRATIONS = {
  '0001-people': people,
  '0002-workshops': workshops,
  '0003-workers': workers,
  '0004-accounts': accounts,
  '0005-registrations': registrations,
  '0006-audit-and-revocations': auditAndRevocations,
};
const TRANSACTION_TRIES = 3;
const SERIALIZATION_FAILURE = '40001';
const DEADLOCK = '40P01';

export function openDatabase(
  config: DatabaseConfig,
  onConnectionError: (error: Error) => void = () => undefined,
): Database {
  const sqlite = config.kind === 'sqlite' ? openSqlite(config.file, config.access) : undefined;
  const dialect = config.kind === 'sqlite' ? sqlite?.dialect : openPostgres(config.url, onConnectionError);
  if (!dialect) throw new Error('unreachable');
  const db = new Kysely<Schema>({ dialect, plugins: [new CamelCasePlugin()] });
  return {
    kind: config.kind,
    db,
    rowLocks: config.kind === 'postgresql',
    async transaction(work) {
      for (let attempt = 1; ; attempt++) {
        try {
          return await db.transaction().execute(work);
        } catch (error) {
          const { code } = error as { code?: string };
          if ((code !== SERIALIZATION_FAILURE && code !== DEADLOCK) || attempt === TRANSACTION_TRIES)
            throw error;
        }
      }
    },
    async ping() {
      await db.selectFrom('settings').select('key').limit(1).execute();
    },
    async close() {
      await db.destroy();
      sqlite?.release();
    },
  };
}

/** Brings the schema to its newest form; returns the names of the migrations that ran. */
export async function migrate(database: Database): Promise<readonly string[]> {
  const migrator = new Migrator({
    db: database.db,
    provider: { getMigrations: async () => MIGRATIONS },
  });
  const { error, results = [] } = await migrator.migrateToLatest();
  if (error) {
    throw new Error(
      `The database could not be brought to this version's schema: ${(error as Error).message}. ` +
        'The failed step was rolled back; a database made by a newer ClaraTeach needs that version.',
      { cause: error },
    );
  }
  return results.map((result) => result.migrationName);
}

const UNIQUE_VIOLATION = '23505';
/** SQLITE_CONSTRAINT_UNIQUE and SQLITE_CONSTRAINT_PRIMARYKEY */
const SQLITE_UNIQUE = new Set([2067, 1555]);

/** Whether a statement failed because another row has the same unique value. */
export function isUniqueViolation(error: unknown): boolean {
  const { code, errcode } = error as { code?: string; errcode?: number };
  return code === UNIQUE_VIOLATION || (errcode !== undefined && SQLITE_UNIQUE.has(errcode));
}

/** A random name for this installation, made at its first start; it marks what runtimes hold for us. */
export async function installationId({ db }: Database): Promise<string> {
  await db
    .insertInto('settings')
    .values({ key: 'installation', value: randomUUID() })
    .onConflict((conflict) => conflict.column('key').doNothing())
    .execute();
  const row = await db
    .selectFrom('settings')
    .select('value')
    .where('key', '=', 'installation')
    .executeTakeFirstOrThrow();
  return row.value;
}
