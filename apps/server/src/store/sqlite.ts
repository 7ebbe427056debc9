import { closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { PublicError } from '@clarateach/contract/errors';
import { type Dialect, type SqliteDatabase, SqliteDialect, type SqliteStatement } from 'kysely';

const KEPT_STATEMENTS = 200;
/** How long a statement waits for another process (`clarateach token create`, a backup) to finish its own. */
const BUSY_TIMEOUT_MS = 5_000;
const SQLITE_FULL = 13;

export interface SqliteFile {
  readonly dialect: Dialect;
  readonly release: () => void;
}

/**
 * SQLite in one file through Node's own driver: WAL, and a full sync at each commit, so that what a
 * learner was promised survives a power cut.
 */
export function openSqlite(file: string, access: 'serve' | 'shared'): SqliteFile {
  const lock = access === 'serve' ? lockFile(file) : undefined;
  let database: DatabaseSync;
  try {
    // For its owner alone, wherever it lies: SQLite gives its own files beside it the same permissions.
    closeSync(openSync(file, 'a', 0o600));
    database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on;');
    const [check] = database.prepare('pragma quick_check(1)').all() as { quick_check: string }[];
    if (check?.quick_check !== 'ok') throw new Error(check?.quick_check ?? 'quick_check gave no answer');
  } catch (cause) {
    lock?.close();
    throw new Error(
      `The database ${file} cannot be opened: ${(cause as Error).message}. Nothing was changed. ` +
        'Restore the file from a backup, or move it away to begin with an empty one.',
      { cause },
    );
  }
  return {
    dialect: new SqliteDialect({ database: asKyselyDatabase(database) }),
    release: () => lock?.close(),
  };
}

/**
 * The operating system drops this lock when the process ends, however it ends. It is held on a file
 * of its own so that short-lived commands may still open the database.
 */
function lockFile(file: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(`${file}.lock`);
    lock.exec('pragma locking_mode = exclusive; begin exclusive;');
    return lock;
  } catch (cause) {
    lock?.close();
    if (!/locked|busy/i.test((cause as Error).message)) {
      throw new Error(`Cannot write beside the database ${file}: ${(cause as Error).message}.`, { cause });
    }
    throw new Error(
      `Another ClaraTeach server uses the database ${file}. Stop that server, or give this one a data directory of its own.`,
      { cause },
    );
  }
}

function asKyselyDatabase(database: DatabaseSync): SqliteDatabase {
  const kept = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare(sql) {
      // A transaction that reads first and writes later would otherwise fail when another process
      // wrote in between, instead of waiting its turn.
      const text = sql === 'begin' ? 'begin immediate' : sql;
      let statement = kept.get(text);
      if (!statement) {
        statement = asKyselyStatement(database.prepare(text));
        if (text === 'rollback') statement = onlyInTransaction(database, statement);
        if (kept.size >= KEPT_STATEMENTS) kept.delete(kept.keys().next().value as string);
        kept.set(text, statement);
      }
      return statement;
    },
  };
}

/**
 * SQLite rolls back by itself when the disk is full or broken. A second rollback would fail, and that
 * failure would take the place of the reason.
 */
function onlyInTransaction(database: DatabaseSync, rollback: SqliteStatement): SqliteStatement {
  return {
    ...rollback,
    run: (parameters) =>
      database.isTransaction ? rollback.run(parameters) : { changes: 0, lastInsertRowid: 0 },
  };
}

function asKyselyStatement(statement: StatementSync): SqliteStatement {
  const reader = statement.columns().length > 0;
  return {
    reader,
    all: (parameters) => translated(() => statement.all(...bindable(parameters))),
    run: (parameters) => translated(() => statement.run(...bindable(parameters))),
    iterate: (parameters) => statement.iterate(...bindable(parameters)),
  };
}

/** SQLite knows no booleans, dates or undefined; better-auth's adapter and ours write them so. */
function bindable(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters.map((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0;
    if (value instanceof Date) return value.toISOString();
    return (value ?? null) as SQLInputValue;
  });
}

function translated<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode === SQLITE_FULL) {
      throw new PublicError(
        'no_space',
        'The server has no disk space left, so nothing was saved. Ask the operator to free some, then try again.',
        { cause },
      );
    }
    throw cause;
  }
}
