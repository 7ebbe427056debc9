import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { prepareGuest } from './guest.ts';

const run = promisify(execFile);
const { signal } = new AbortController();
const lacking: string[] = [];
for (const program of ['/bin/busybox', '/usr/bin/dpkg-deb']) {
  await access(program).catch(() => lacking.push(program));
}
const reason = lacking.length === 0 ? undefined : `${lacking.join(' and ')} are not installed`;
if (reason) {
  console.log(`NOT RUN: guest kernels: ${reason}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${reason}`);
}

describe('the kernel and the first root of guests', { skip: reason ?? false }, () => {
  let directory: string;
  let kernelPackage: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-guest-'));
    const tree = join(directory, 'tree');
    const modules = join(tree, 'lib', 'modules', '6.1.0-test', 'kernel', 'drivers');
    for (const path of [modules, join(tree, 'boot'), join(tree, 'DEBIAN')]) {
      await mkdir(path, { recursive: true });
    }
    await writeFile(join(tree, 'boot', 'vmlinuz-6.1.0-test'), `\x7fELF${'kernel'.repeat(400)}`);
    for (const name of [
      ...['virtio_ring', 'virtio', 'virtio_mmio', 'virtio_blk', 'failover', 'net_failover', 'virtio_net'],
      'overlay',
    ]) {
      await writeFile(join(modules, `${name}.ko`), name);
    }
    const control =
      'Package: linux-image-test\nVersion: 1\nArchitecture: amd64\nMaintainer: a\nDescription: b\n';
    await writeFile(join(tree, 'DEBIAN', 'control'), control);
    kernelPackage = join(directory, 'kernel.deb');
    await run('dpkg-deb', ['-b', tree, kernelPackage]);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  test('are for every VM to read, whatever the umask; ones that are not yet become so', async () => {
    const imagesDirectory = join(directory, 'images');
    const prepare = () => prepareGuest({ imagesDirectory, kernelPackage, signal, onProgress: () => {} });
    const modes = async () =>
      Promise.all(
        ['vmlinux', 'initrd.cpio'].map(
          async (name) => (await stat(join(imagesDirectory, name))).mode & 0o777,
        ),
      );
    const umask = process.umask(0o077);
    try {
      assert.equal(await prepare(), true);
      assert.deepEqual(await modes(), [0o644, 0o644]);
      assert.equal(await prepare(), false);
      await chmod(join(imagesDirectory, 'initrd.cpio'), 0o640);
      assert.equal(await prepare(), true);
      assert.deepEqual(await modes(), [0o644, 0o644]);
    } finally {
      process.umask(umask);
    }
    assert.deepEqual((await readdir(imagesDirectory)).sort(), ['guest.json', 'initrd.cpio', 'vmlinux']);
  });
});
