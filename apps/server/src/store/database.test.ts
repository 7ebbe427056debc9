import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import { sql } from 'kysely';
import { insertOwner } from '../testing/control-plane.ts';
import { installationId, isUniqueViolation, migrate, openDatabase } from './database.ts';
import { eachDatabase, startPostgres } from './testing.ts';

eachDatabase('the store', (open) => {
  test('migrating again changes nothing', async (context) => {
    const opened = await open();
    context.after(() => opened.close());
    assert.deepEqual(await migrate(opened.database), []);
  });

  test('the installation keeps its id', async (context) => {
    const opened = await open();
    context.after(() => opened.close());
    const id = await installationId(opened.database);
    assert.equal(await installationId(opened.again()), id);
  });

  test('two rows with one unique value are told apart from other failures', async (context) => {
    const opened = await open();
    context.after(() => opened.close());
    await insertOwner(opened.database, 'ada');
    await assert.rejects(insertOwner(opened.database, 'ada'), isUniqueViolation);
    const other = opened.database.db
      .selectFrom('workshops')
      .select('nosuch' as 'id')
      .execute();
    await assert.rejects(other, (error) => !isUniqueViolation(error));
  });

  test('a transaction that fails leaves nothing', async (context) => {
    const opened = await open();
    context.after(() => opened.close());
    const { database } = opened;
    const failed = database.transaction(async (trx) => {
      await trx.insertInto('settings').values({ key: 'half', value: 'done' }).execute();
      throw new Error('no');
    });
    await assert.rejects(failed, /no/);
    assert.deepEqual(
      await database.db.selectFrom('settings').selectAll().where('key', '=', 'half').execute(),
      [],
    );
  });
});

describe('a SQLite file', () => {
  const directory = async (context: TestContext) => {
    const path = await mkdtemp(join(tmpdir(), 'clarateach-sqlite-'));
    context.after(() => rm(path, { recursive: true, force: true }));
    return path;
  };

  test('is for its owner alone, in whatever directory it lies', async (context) => {
    const path = await directory(context);
    const database = openDatabase({ kind: 'sqlite', file: join(path, 'clarateach.db'), access: 'serve' });
    context.after(() => database.close());
    await migrate(database);
    const names = (await readdir(path)).filter((name) => !name.includes('.lock'));
    assert.deepEqual(names.sort(), ['clarateach.db', 'clarateach.db-shm', 'clarateach.db-wal']);
    for (const name of names) assert.equal((await stat(join(path, name))).mode & 0o777, 0o600, name);
  });

  test('that cannot grow refuses a transaction as no_space, and takes the next one when it can', async (context) => {
    const file = join(await directory(context), 'clarateach.db');
    const database = openDatabase({ kind: 'sqlite', file, access: 'serve' });
    context.after(() => database.close());
    await migrate(database);
    const insert = () =>
      database.transaction((trx) =>
        trx
          .insertInto('settings')
          .values({ key: 'large', value: 'x'.repeat(100_000) })
          .execute(),
      );
    await sql`pragma max_page_count = 1`.execute(database.db);
    await assert.rejects(insert(), { name: 'PublicError', code: 'no_space' });
    await sql`pragma max_page_count = 100000`.execute(database.db);
    await insert();
  });

  test('is served by one server; commands beside it may still open it', async (context) => {
    const file = join(await directory(context), 'clarateach.db');
    const first = openDatabase({ kind: 'sqlite', file, access: 'serve' });
    await migrate(first);
    assert.throws(
      () => openDatabase({ kind: 'sqlite', file, access: 'serve' }),
      /Another ClaraTeach server uses/,
    );
    const beside = openDatabase({ kind: 'sqlite', file, access: 'shared' });
    assert.equal(await installationId(beside), await installationId(first));
    await beside.close();
    await first.close();
    const next = openDatabase({ kind: 'sqlite', file, access: 'serve' });
    await next.close();
  });

  test('that is damaged is refused with what to do, and left as it is', async (context) => {
    const file = join(await directory(context), 'clarateach.db');
    const garbage = 'this is no database, though it is long enough to be taken for one '.repeat(100);
    await writeFile(file, garbage);
    assert.throws(() => openDatabase({ kind: 'sqlite', file, access: 'serve' }), /cannot be opened.*backup/s);
    assert.equal(await readFile(file, 'utf8'), garbage);
  });
});

test('while PostgreSQL is out of reach the store says so, and it recovers by itself', async (context) => {
  const postgres = await startPostgres();
  const url = new URL(await postgres.create());
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    const far = connect(Number(url.port), url.hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    near.pipe(far).pipe(near);
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  const { port } = proxy.address() as { port: number };
  const proxied = new URL(url);
  proxied.port = String(port);
  const database = openDatabase({ kind: 'postgresql', url: proxied.href });
  context.after(async () => {
    await database.close();
    proxy.close();
    for (const socket of sockets) socket.destroy();
    await postgres.stop();
  });
  await migrate(database);
  await database.ping();

  proxy.close();
  for (const socket of sockets) socket.destroy();
  const unavailable = (error: unknown) => error instanceof PublicError && error.code === 'unavailable';
  await assert.rejects(database.ping(), unavailable);
  await assert.rejects(
    database.transaction((trx) => trx.selectFrom('settings').selectAll().execute()),
    unavailable,
  );

  await once(proxy.listen(port, '127.0.0.1'), 'listening');
  await database.ping();
});
