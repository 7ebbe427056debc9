import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { it } from 'node:test';
import { probeDocker } from '@clarateach/seats/providers/docker/probe';
import { startCli } from '../testing/run-cli.ts';

const docker = await probeDocker();
if (!docker.ok) {
  console.log(`NOT RUN: root disks from an image: ${docker.note}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${docker.note}`);
}

it('clarateach rootfs build ends at Ctrl-C without a word of failure, and leaves nothing half-made', {
  skip: docker.ok ? false : docker.note,
  timeout: 60_000,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'rootfs-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const child = startCli(['rootfs', 'build', '--output', join(directory, 'rootfs.ext4')]);
  const said = text(child.stderr);
  await once(child.stderr, 'data');
  // Amid the export, which the engine's client words as a broken connection when it is cut.
  while (!(await readdir(directory)).some((name) => name.includes('.next-')));
  child.kill('SIGINT');
  const [code] = (await once(child, 'close')) as [number | null];
  assert.equal(code, 130, await said);
  assert.equal(await said, 'Reading the image\n');
  assert.deepEqual(await readdir(directory), []);
});
