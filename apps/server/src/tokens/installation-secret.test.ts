import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { installationSecret } from './installation-secret.ts';

describe('the secret of an installation', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-secret-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is made once, however many ask at the same moment, and only its owner reads it', async () => {
    const path = join(directory, 'data', 'secret.key');
    const source = { kind: 'file', path } as const;
    const secrets = await Promise.all(Array.from({ length: 8 }, () => installationSecret(source)));
    assert.equal(new Set(secrets).size, 1);
    assert.ok((secrets[0] ?? '').length >= 32);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(join(directory, 'data')), ['secret.key']);
    assert.equal(await installationSecret(source), secrets[0]);
  });

  it('that is damaged is not replaced, because what was sealed with it would be lost', async () => {
    const path = join(directory, 'secret.key');
    await writeFile(path, 'half');
    await assert.rejects(installationSecret({ kind: 'file', path }), /damaged.*backup/);
  });

  it('may be given, and then no file is made', async () => {
    assert.equal(await installationSecret({ kind: 'given', secret: 'x'.repeat(32) }), 'x'.repeat(32));
    assert.deepEqual(await readdir(directory), []);
  });
});
