import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, test } from 'node:test';
import { runCli } from '../testing/run-cli.ts';
import { removablePackages, type Simulate } from './removable-packages.ts';

/** What apt would change: each package takes along what needs it, and that takes along what needs that. */
const aptWith =
  (needs: Readonly<Record<string, readonly string[]>>): Simulate =>
  async (packages) => {
    const changed = new Set(packages);
    for (const name of changed) for (const each of needs[name] ?? []) changed.add(each);
    return [...changed];
  };

describe('packages of the set-up', () => {
  test('all go when nothing else needs them', async () => {
    const found = await removablePackages(['qemu', 'nftables'], aptWith({ qemu: ['nftables'] }));
    assert.deepEqual(found, { go: ['qemu', 'nftables'], kept: [] });
  });

  test('stay when something else needs them, and what these need themselves stays too', async () => {
    const apt = aptWith({ qemu: ['libvirt'], firmware: ['qemu'], libvirt: [] });
    const found = await removablePackages(['nftables', 'firmware', 'qemu'], apt);
    assert.deepEqual(found.go, ['nftables']);
    assert.deepEqual(
      found.kept.map(({ name }) => name),
      ['firmware', 'qemu'],
    );
    assert.deepEqual(found.kept[1]?.neededBy, ['libvirt']);
  });

  test('stay when apt finds no way, or something needs either of two', async () => {
    const none = await removablePackages(['qemu'], async () => undefined);
    assert.deepEqual(none, { go: [], kept: [{ name: 'qemu', neededBy: [] }] });
    const either = await removablePackages(['a', 'b'], async (names) =>
      names.length === 2 ? ['a', 'b', 'editor'] : names,
    );
    assert.deepEqual(either.go, []);
    assert.deepEqual(either.kept[0], { name: 'a', neededBy: ['editor'] });
  });
});

test('`microvm setup --undo` removes its packages, but none that others need by now', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-undo-'));
  try {
    const imagesDirectory = join(directory, 'images');
    const calls = join(directory, 'calls');
    await mkdir(imagesDirectory);
    await writeFile(join(imagesDirectory, 'setup.json'), JSON.stringify({ packages: ['qemu', 'busybox'] }));
    // As apt words it; removing QEMU takes libvirt along.
    const apt = [
      '#!/bin/sh',
      `echo "$*" >>${calls}`,
      'case "$*" in *--simulate*) ;; *) exit 0 ;; esac',
      'for name; do case $name in',
      '  busybox) echo "Remv busybox [1:1.35.0-4]" ;;',
      '  qemu) echo "Remv libvirt-daemon [9.0] []"; echo "Remv qemu [1:7.2]"; echo "Inst qemu-arm (1:7.2 Debian)" ;;',
      'esac; done',
    ].join('\n');
    await writeFile(join(directory, 'apt-get'), apt);
    await chmod(join(directory, 'apt-get'), 0o755);
    const env = { IMAGES_DIR: imagesDirectory, PATH: `${directory}${delimiter}${process.env.PATH}` };
    const { code, stdout, stderr } = await runCli(['microvm', 'setup', '--undo', '--json'], { env });
    assert.equal(code, 0, stderr);
    const done = (await readFile(calls, 'utf8')).split('\n').filter((line) => !line.includes('--simulate'));
    assert.deepEqual(done, ['remove -y -q busybox', '']);
    assert.match(stdout, /Kept qemu: its removal would also remove or install libvirt-daemon, qemu-arm\./);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
