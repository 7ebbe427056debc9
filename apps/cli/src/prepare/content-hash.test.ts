import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { contentHash } from './content-hash.ts';

describe('the content hash of sources', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'hash-'));
    await mkdir(join(root, 'src'));
    await writeFile(join(root, 'src', 'a.ts'), 'one');
  });
  afterEach(() => rm(root, { recursive: true }));

  it('is the same for the same files', async () => {
    assert.equal(await contentHash(root, ['src']), await contentHash(root, ['src', 'missing']));
  });

  it('changes with a byte, a name and a new file', async () => {
    const before = await contentHash(root, ['src']);
    await writeFile(join(root, 'src', 'a.ts'), 'two');
    const changed = await contentHash(root, ['src']);
    assert.notEqual(changed, before);
    await writeFile(join(root, 'src', 'b.ts'), '');
    assert.notEqual(await contentHash(root, ['src']), changed);
  });

  it('does not change with tests, built files and installed packages', async () => {
    const before = await contentHash(root, ['src']);
    await writeFile(join(root, 'src', 'a.test.ts'), 'test');
    for (const directory of ['dist', 'node_modules']) {
      await mkdir(join(root, 'src', directory));
      await writeFile(join(root, 'src', directory, 'x.js'), 'built');
    }
    assert.equal(await contentHash(root, ['src']), before);
  });
});
