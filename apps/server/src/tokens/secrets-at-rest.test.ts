import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { promisify } from 'node:util';
import type { SeatSession } from '@clarateach/contract/join';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { eventually } from '../testing/control-plane.ts';
import { testServer } from '../testing/server.ts';

const MARKER = 'sk-ant-marker-0123456789-abcdefgh';
const SECRET = 'a marker of the secret, which seals everything';

/** Every form in which the text might lie somewhere. */
const forms = (text: string) => [
  text,
  Buffer.from(text).toString('base64').replace(/=+$/, ''),
  Buffer.from(text).toString('hex'),
  encodeURIComponent(text),
];

test('an API key and the installation’s secret are in no file, log line, answer, process list or backup', async () => {
  const provider = instantProvider();
  const server = await testServer({
    env: { WORKSPACE_TOKEN_SECRET: SECRET, LOG_LEVEL: 'trace' },
    overrides: { providers: new Map([['local', provider]]) },
  });
  try {
    assert.ok(server.signInUrl);
    const admin = await server.signedIn(server.signInUrl);
    const { id, code } = await server.createWorkshop(admin, {
      ...{ seats: 1, apiKey: MARKER, injectApiKey: true },
    });
    const learner = await server.anyone.json<SeatSession>(200, 'POST', '/api/join', { code, name: 'Ada' });
    // The key does reach the seat that it is for.
    assert.ok(provider.calls.some(({ spec }) => Object.values(spec?.env ?? {}).includes(MARKER)));
    provider.fail('ensure', new Error('no room'), 1);
    await admin.json(202, 'POST', `/api/workshops/${id}/seats/1/reset`);
    await eventually(() => provider.calls.some(({ verb }) => verb === 'destroy'));
    await server.anyone.request('POST', '/api/workshops', { name: 'x', seats: 1, apiKey: MARKER });
    await admin.request('POST', '/api/workshops', { name: '', seats: 0, apiKey: MARKER });
    await admin.request('POST', '/api/workshops', `{"apiKey":"${MARKER}"`);

    const found: [where: string, text: Buffer | string][] = [];
    for (const path of [
      '/api/workshops',
      `/api/workshops/${id}`,
      '/api/admin/overview',
      '/api/admin/audit?limit=200',
      '/api/health',
      '/api/account',
      '/metrics',
      '/.well-known/jwks.json',
    ]) {
      found.push([path, await (await admin.request('GET', path)).text()]);
    }
    const exported = { subject: { kind: 'return-code', odehash: learner.odehash } };
    found.push(['export', await (await admin.request('POST', '/api/admin/data/export', exported)).text()]);
    found.push(['log', server.logLines.join('')]);
    found.push(['ps', (await promisify(execFile)('ps', ['-eo', 'args', 'ww'])).stdout]);

    const directory = server.config.dataDirectory;
    const database = join(directory, 'clarateach.db');
    const connection = new DatabaseSync(database);
    connection.exec(`vacuum into '${join(directory, 'backup.db')}'`);
    connection.close();
    for (const name of await readdir(directory)) found.push([name, await readFile(join(directory, name))]);
    assert.ok(
      found.some(([where]) => where === 'clarateach.db-wal') &&
        found.some(([where]) => where === 'backup.db'),
    );

    for (const secret of [MARKER, SECRET]) {
      for (const form of forms(secret)) {
        for (const [where, text] of found) assert.ok(!text.includes(form), `${where} holds a secret`);
      }
    }
    for (const [where, text] of found) {
      assert.ok(!text.includes('PRIVATE KEY'), `${where} holds a private key`);
      if (where !== 'export') assert.ok(!text.includes(learner.token), `${where} holds a seat token`);
    }
    // The search itself can find: the code of the workshop lies in the database in the clear.
    assert.ok(found.some(([where, text]) => where === 'backup.db' && text.includes(code)));
  } finally {
    await server.close();
  }
});
