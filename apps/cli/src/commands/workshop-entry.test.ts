import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { RegistrationView } from '@clarateach/contract/entry';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { type TestClient, type TestServer, testServer } from '@clarateach/server/testing/server';
import { runCli } from '../testing/run-cli.ts';

describe('the commands for entry', () => {
  let server: TestServer;
  let admin: TestClient;
  let token: string;
  let directory: string;
  let id: string;

  before(async () => {
    server = await testServer({ env: { LOG_LEVEL: 'error' } });
    admin = await server.signedIn(server.signInUrl ?? '');
    ({ token } = await admin.json<{ token: string }>(201, 'POST', '/api/tokens', { name: 'cli' }));
    directory = await mkdtemp(join(tmpdir(), 'clarateach-cli-'));
    const made = await cli(['create', 'Basics', '--seats', '2', '--entry', 'list', '--json']);
    ({ id } = JSON.parse(made.stdout) as WorkshopDetails);
  });
  after(async () => {
    await server.close();
    await rm(directory, { recursive: true, force: true });
  });

  const cli = (args: readonly string[], stdin?: string) =>
    runCli(['workshop', ...args], {
      env: { CLARATEACH_URL: `http://127.0.0.1:${server.port}`, CLARATEACH_TOKEN: token },
      ...(stdin === undefined ? {} : { stdin }),
    });

  it('import a list by file and by standard input, show it, and export it', async () => {
    const file = join(directory, 'list.csv');
    await writeFile(file, 'name,email\nAda,ada@example.org\nBob,nowhere\n');
    const wrong = await cli(['import', id, file]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /line 3: "nowhere" is not an e-mail address\./);
    assert.match(wrong.stderr, /Nothing was imported: a line is wrong/);
    const right = await cli(['import', id, '--skip-wrong'], 'name,email\nAda,ada@example.org\nBob,nowhere\n');
    assert.equal(right.code, 0, right.stderr);
    assert.match(right.stdout, /^1 imported, 0 of them on the waiting list/);
    const table = await cli(['registrations', id]);
    assert.match(table.stdout, /Ada +ada@example\.org +confirmed +[A-Z2-7]{5}-[A-Z2-7]{5}/);
    const json = await cli(['registrations', id, '--json']);
    assert.equal((JSON.parse(json.stdout) as RegistrationView[])[0]?.name, 'Ada');
    const csv = await cli(['export', id]);
    assert.match(csv.stdout, /name,email,access code.*\r\nAda,ada@example\.org,/);
    assert.equal((await cli(['import', id, join(directory, 'none.csv')])).code, 2);
  });

  it('show and change who may come in', async () => {
    assert.match((await cli(['entry', id])).stdout, /who may come in +list\nplaces +no limit/);
    const changed = await cli(['entry', id, '--policy', 'registered', '--cap', '5', '--json']);
    const { entry, registrationCap } = JSON.parse(changed.stdout) as Record<string, unknown>;
    assert.deepEqual([entry, registrationCap], ['registered', 5]);
    assert.match((await cli(['entry', id, '--cap', 'none'])).stdout, /registered\nplaces +no limit/);
    assert.equal((await cli(['entry', id, '--cap', '0'])).code, 2);
  });

  it('add and take off an instructor', async () => {
    const unknown = await cli(['instructors', id, '--add', 'bob@example.org']);
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /No instructor has an account/);
    await server.signedIn(await server.linkFor('bob@example.org'));
    const added = await cli(['instructors', id, '--add', 'bob@example.org']);
    assert.match(added.stdout, /bob +bob@example\.org +co-instructor/);
    const removed = await cli(['instructors', id, '--remove', 'bob@example.org', '--json']);
    assert.equal((JSON.parse(removed.stdout) as unknown[]).length, 1);
  });

  it('put a key into the seats only where that is asked for', async () => {
    assert.equal((await cli(['create', 'Keys', '--seats', '1', '--inject-api-key'])).code, 2);
    for (const inject of [[], ['--inject-api-key']]) {
      const args = ['create', 'Keys', '--seats', '1', '--api-key-stdin', '--json', ...inject];
      const details = JSON.parse((await cli(args, 'sk-12345678\n')).stdout) as WorkshopDetails;
      assert.deepEqual([details.hasApiKey, details.injectApiKey], [true, inject.length > 0]);
    }
  });

  it('make a link that hands a seat over', async () => {
    const workshop = await server.createWorkshop(admin, { seats: 1 });
    assert.equal((await cli(['hand-over', workshop.id, '1'])).code, 1);
    await server.anyone.json(200, 'POST', '/api/join', { code: workshop.code, name: 'Ada' });
    const link = await cli(['hand-over', workshop.id, '1']);
    assert.match(link.stdout, /\/hand-over#[\w-]{32}\n$/);
  });
});
