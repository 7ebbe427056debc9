import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { probeMicrovms } from './microvms.ts';

it('microVM seats need Docker, or a root disk that lies in the directory of the images', async (t) => {
  const imagesDirectory = await mkdtemp(join(tmpdir(), 'images-'));
  t.after(() => rm(imagesDirectory, { recursive: true }));
  const lacksDisk = async (docker: boolean) =>
    (await probeMicrovms({ docker, imagesDirectory })).note.includes('which needs Docker');
  assert.deepEqual([await lacksDisk(false), await lacksDisk(true)], [true, false]);
  await writeFile(join(imagesDirectory, 'rootfs.ext4'), '');
  assert.equal(await lacksDisk(false), false);
});
