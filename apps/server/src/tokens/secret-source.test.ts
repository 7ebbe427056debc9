import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { newSecret, secretSource } from './secret-source.ts';

describe('the secret of an installation', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-secret-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is made once, however many ask at the same moment, and only its owner reads it', async () => {
    const path = join(directory, 'data', 'secret.key');
    const source = secretSource({ kind: 'file', path });
    const secrets = (await Promise.all(Array.from({ length: 8 }, () => source.read()))).flat();
    assert.deepEqual([secrets.length, new Set(secrets).size], [8, 1]);
    assert.ok((secrets[0] ?? '').length >= 32);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(join(directory, 'data')), ['secret.key']);
    assert.deepEqual(await source.read(), secrets.slice(0, 1));
  });

  it('that is damaged is not replaced, because what was sealed with it would be lost', async () => {
    const path = join(directory, 'secret.key');
    await writeFile(path, 'half');
    await assert.rejects(secretSource({ kind: 'file', path }).read(), /damaged.*backup/);
    await writeFile(path, '\n');
    await assert.rejects(secretSource({ kind: 'file', path }).read(), /damaged.*backup/);
    await writeFile(path, `${newSecret()}\nhalf\n`);
    await assert.rejects(secretSource({ kind: 'file', path }).read(), /damaged.*backup/);
  });

  it('may be given, and then no file is made', async () => {
    const source = secretSource({ kind: 'given', secrets: ['x'.repeat(32)] });
    assert.deepEqual([await source.read(), source.write], [['x'.repeat(32)], undefined]);
    assert.deepEqual(await readdir(directory), []);
  });

  it('is replaced whole, for its owner alone, and may be several', async () => {
    const path = join(directory, 'secret.key');
    const source = secretSource({ kind: 'file', path });
    const [old = ''] = await source.read();
    const next = newSecret();
    await source.write?.([next, old]);
    assert.deepEqual(await source.read(), [next, old]);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(directory), ['secret.key']);
  });
});
