import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { readConfig } from '@clarateach/server/config';
import { openDatabase } from '@clarateach/server/store/database';
import { runCli, startCli } from '../testing/run-cli.ts';
import { openMigrated } from './database.ts';

describe("commands on the server's own data", () => {
  let data: string;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'operator-'));
    const { database } = await openMigrated(readConfig({ DATA_DIR: data }));
    await database.close();
  });
  afterEach(() => rm(data, { recursive: true }));

  const cli = (...args: string[]) => runCli([...args, '--data', data]);

  it('makes a database by `db migrate`, once, and says so', async () => {
    const migrate = ['db', 'migrate', '--json', '--data', join(data, 'new')];
    const first = await runCli(migrate);
    assert.equal(first.code, 0, first.stderr);
    assert.notDeepEqual(JSON.parse(first.stdout), { migrations: [] });
    assert.equal(
      first.stderr,
      `Database: ${join(data, 'new', 'clarateach.db')}\nThere was none: an empty one is made, for a server that has not started yet.\n`,
    );
    const second = await runCli(migrate);
    assert.deepEqual(JSON.parse(second.stdout), { migrations: [] });
    assert.equal(second.stderr, `Database: ${join(data, 'new', 'clarateach.db')}\n`);
  });

  for (const command of [
    ['keys', 'list'],
    ['keys', 'rotate'],
    ['keys', 'rotate', '--now', '--yes'],
    ['keys', 'rotate', '--now'],
    ['keys', 'rotate-encryption'],
    ['keys', 'drop-encryption'],
    ['token', 'create', 'laptop'],
    ['sign-in-link'],
  ]) {
    it(`does nothing by \`${command.join(' ')}\` where there is no database`, async () => {
      const elsewhere = join(data, 'elsewhere');
      const { code, stdout, stderr } = await runCli([...command, '--data', elsewhere]);
      assert.deepEqual([code, stdout], [1, ''], stderr);
      assert.ok(stderr.includes(`There is no database of ClaraTeach at ${join(elsewhere, 'clarateach.db')}`));
      assert.match(stderr, /--data DIR/);
      await assert.rejects(stat(elsewhere), { code: 'ENOENT' });
    });
  }

  it('takes a database that no server has begun for none', async () => {
    await writeFile(join(data, 'empty.db'), '');
    const { code, stderr } = await runCli(['keys', 'rotate', '--data', data], {
      env: { DATABASE_URL: join(data, 'empty.db') },
    });
    assert.equal(code, 1);
    assert.ok(stderr.includes(`There is no database of ClaraTeach at ${join(data, 'empty.db')}`), stderr);
    await assert.rejects(stat(join(data, 'secret.key')), { code: 'ENOENT' });
  });

  it('makes no second secret for a database that another one has sealed', async () => {
    assert.equal((await cli('keys', 'list')).code, 0);
    const elsewhere = join(data, 'elsewhere');
    const { code, stderr } = await runCli(['keys', 'list', '--data', elsewhere], {
      env: { DATABASE_URL: join(data, 'clarateach.db') },
    });
    assert.equal(code, 1);
    assert.ok(stderr.includes(`is not in ${join(elsewhere, 'secret.key')}`), stderr);
    await assert.rejects(stat(elsewhere), { code: 'ENOENT' });
  });

  it('names the database on stderr, without the password of a PostgreSQL', async () => {
    for (const command of [['keys', 'list'], ['token', 'create', 'laptop'], ['sign-in-link']]) {
      const { stderr } = await cli(...command);
      assert.equal(stderr, `Database: ${join(data, 'clarateach.db')}\n`);
    }
    const url = 'postgresql://clara:s3cret@127.0.0.1:1/teach?sslmode=disable';
    const { code, stderr } = await runCli(['keys', 'list'], { env: { DATABASE_URL: url } });
    assert.equal(code, 1);
    assert.match(stderr, /^Database: postgresql:\/\/127\.0\.0\.1:1\/teach\n/);
    assert.doesNotMatch(stderr, /s3cret/);
  });

  it('makes an API token without any other credential, and prints it alone', async () => {
    const { code, stdout, stderr } = await cli('token', 'create', 'laptop');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^ctk_[\w-]{20,}\n$/);
  });

  it('makes a token that may do less, for a while', async () => {
    const { code, stdout, stderr } = await cli(
      ...[
        'token',
        'create',
        'reader',
        '--scope',
        'workshops:read',
        '--scope',
        'account',
        '--expires',
        '30',
        '--json',
      ],
    );
    assert.equal(code, 0, stderr);
    const { scopes, createdAt, expiresAt } = JSON.parse(stdout);
    assert.deepEqual(scopes, ['workshops:read', 'account']);
    assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), 30 * 24 * 60 * 60 * 1000);
    for (const wrong of [
      ['--scope', 'everything'],
      ['--expires', 'soon'],
    ]) {
      assert.equal((await cli('token', 'create', 'x', ...wrong)).code, 2);
    }
  });

  it('makes no token for somebody who has no account', async () => {
    const { code, stderr } = await cli('token', 'create', 'laptop', '--user', 'nobody@example.org');
    assert.equal(code, 1);
    assert.match(stderr, /Nobody has the e-mail address nobody@example\.org/);
  });

  it('prints a sign-in link under the address that is given', async () => {
    const { code, stdout, stderr } = await cli('sign-in-link', '--url', 'https://teach.example.org');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^https:\/\/teach\.example\.org\/\S+\n$/);
  });

  it('prints a sign-in link under the address of the server that runs', async () => {
    await writeFile(join(data, 'server.pid'), `${process.pid}\nhttp://localhost:8123\n`);
    assert.match((await cli('sign-in-link')).stdout, /^http:\/\/localhost:8123\/\S+\n$/);
    const said = await cli('sign-in-link', '--url', 'https://teach.example.org');
    assert.match(said.stdout, /^https:\/\/teach\.example\.org\//);
  });

  it('rotates the signing key: the old one is honoured, and the log says who did it', async () => {
    const [first] = JSON.parse((await cli('keys', 'list', '--json')).stdout) as { kid: string }[];
    const { code, stdout, stderr } = await cli('keys', 'rotate', '--json');
    assert.equal(code, 0, stderr);
    const keys = JSON.parse(stdout) as { kid: string; verifiesUntil: string | null }[];
    assert.deepEqual([keys.length, keys[1]?.kid], [2, first?.kid]);
    assert.equal(keys[0]?.verifiesUntil, null);
    assert.ok(Date.parse(keys[1]?.verifiesUntil ?? '') > Date.now() + 26 * 3_600_000);
  });

  it('ends the old signing keys at once when that is confirmed, and the log says who did it', async () => {
    await cli('keys', 'rotate');
    const before = JSON.parse((await cli('keys', 'list', '--json')).stdout) as { kid: string }[];
    const asked = await cli('keys', 'rotate', '--now');
    assert.deepEqual([asked.code, asked.stdout], [2, '']);
    assert.match(asked.stderr, /No key was changed\. .*--yes/);
    assert.deepEqual(JSON.parse((await cli('keys', 'list', '--json')).stdout), before);
    const { code, stdout, stderr } = await cli('keys', 'rotate', '--now', '--yes', '--json');
    assert.equal(code, 0, stderr);
    const done = JSON.parse(stdout) as { key: { kid: string; verifiesUntil: null }; ended: string[] };
    assert.deepEqual(
      done.ended,
      before.map(({ kid }) => kid),
    );
    assert.deepEqual(JSON.parse((await cli('keys', 'list', '--json')).stdout), [done.key]);
    const database = openDatabase({ kind: 'sqlite', file: join(data, 'clarateach.db'), access: 'shared' });
    try {
      const lines = await database.db
        .selectFrom('auditLog')
        .select(['actorKind', 'details'])
        .where('action', '=', 'keys.signing_replaced')
        .execute();
      assert.deepEqual(
        lines.map(({ actorKind, details }) => ({ actorKind, ...JSON.parse(details) })),
        [{ actorKind: 'operator', kid: done.key.kid, ended: done.ended.join(' ') }],
      );
    } finally {
      await database.close();
    }
    const told = await cli('keys', 'rotate', '--now', '--yes');
    assert.match(told.stdout, /is the only one\.\n.*has ended: its tokens open nothing any more/);
  });

  it('rotates the encryption key, killed at any moment too, and drops the old one', async () => {
    await cli('token', 'create', 'laptop');
    const path = join(data, 'secret.key');
    const old = (await readFile(path, 'utf8')).trim();
    // Killed once the new secret is written, before anything is sealed with it or while it is.
    for (const lines of [2, 3]) {
      const child = startCli(['keys', 'rotate-encryption', '--data', data]);
      while ((await readFile(path, 'utf8')).trim().split('\n').length < lines && child.exitCode === null) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      child.kill('SIGKILL');
      await once(child, 'close');
      assert.equal((await cli('keys', 'list', '--json')).code, 0);
    }
    const rotated = await cli('keys', 'rotate-encryption', '--json');
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.match(await readFile(path, 'utf8'), new RegExp(old));
    const dropped = await cli('keys', 'drop-encryption');
    assert.match(dropped.stdout, /forgotten/, dropped.stderr);
    assert.doesNotMatch(await readFile(path, 'utf8'), new RegExp(old));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await cli('keys', 'list', '--json')).code, 0);
    assert.equal((await cli('sign-in-link')).code, 0);
  });

  it('leaves a damaged database as it is and says so', async () => {
    await writeFile(
      join(data, 'clarateach.db'),
      'this is no database, but it is long enough to be read as one. '.repeat(50),
    );
    const { code, stderr } = await cli('token', 'create', 'laptop');
    assert.equal(code, 1);
    assert.match(stderr, /cannot be opened: .*Nothing was changed/);
  });

  it('names the setting that is wrong', async () => {
    const { code, stderr } = await runCli(['db', 'migrate', '--data', data], {
      env: { DATABASE_URL: 'mysql://localhost/x' },
    });
    assert.equal(code, 2);
    assert.match(stderr, /DATABASE_URL begins with mysql:/);
  });
});
