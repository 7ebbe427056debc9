import assert from 'node:assert/strict';
import {
  access,
  chmod,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ProviderError } from '../../provider.ts';
import { until } from '../local/processes.ts';
import { cgroupsHere } from './cgroup.ts';
import { firecracker } from './firecracker.ts';
import { runProgram } from './run-program.ts';
import type { VmConfig } from './vmm.ts';

const { signal } = new AbortController();
const UID = 1_900_000_777;
const skip =
  process.getuid?.() !== 0
    ? 'only root may jail a VM'
    : await runProgram('unshare', ['--mount', '--net', 'true']).then(
        () => undefined,
        () => 'this machine allows no mount and network namespaces',
      );
if (skip) {
  console.log(`NOT RUN: jailed VMs: ${skip}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${skip}`);
}

describe('a jailed VM of Firecracker', { skip: skip ?? false, concurrency: false }, () => {
  let directory: string;
  let jail: { jailer: string; socketDirectory: string };
  let program: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clarateach-jail-'));
    const standIn = async (name: string, file: string) => {
      const path = join(directory, name);
      const script = join(import.meta.dirname, file);
      await writeFile(path, `#!/bin/sh\nexec ${process.execPath} ${script} "$@"\n`);
      await chmod(path, 0o755);
      return path;
    };
    program = await standIn('firecracker', 'firecracker-stand-in-program.ts');
    jail = {
      jailer: await standIn('jailer', 'firecracker-stand-in-jailer.ts'),
      socketDirectory: join(directory, 'sockets'),
    };
    for (const name of ['vmlinux', 'initrd.cpio', 'rootfs.ext4', 'workspace.ext4']) {
      await writeFile(join(directory, name), name);
    }
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function configured(
    name: string,
    changes: Partial<VmConfig> = {},
    parent = directory,
  ): Promise<VmConfig> {
    const vm = join(parent, name);
    await mkdir(join(vm, 'vm'), { recursive: true });
    for (const disk of ['changes.ext4', 'config']) await writeFile(join(vm, 'vm', disk), disk);
    for (const part of ['changes.ext4', 'config', '.']) await lchown(join(vm, 'vm', part), UID, UID);
    return {
      name: `clarateach-ws-abcdefgh-${name}`,
      directory: vm,
      kernel: join(directory, 'vmlinux'),
      initrd: join(directory, 'initrd.cpio'),
      parameters: {},
      memoryMiB: 512,
      cpus: 2,
      disks: [
        { id: 'root', path: join(directory, 'rootfs.ext4'), readOnly: true },
        { id: 'changes', path: 'changes.ext4', readOnly: false },
        { id: 'workspace', path: join(directory, 'workspace.ext4'), readOnly: false },
        { id: 'config', path: 'config', readOnly: true },
      ],
      network: { port: undefined, mac: '02:00:c0:a8:64:0b' },
      uid: UID,
      ...changes,
    };
  }
  const pidOf = async (vm: string) => (await readFile(join(vm, 'process'), 'utf8')).split(' ')[1] ?? '';
  const exists = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );

  test('sees its own files alone, writes only to its own disks, and has limits', async () => {
    const config = await configured('seat-01');
    const vmm = await firecracker(program, jail);
    await vmm.start(config, signal);
    assert.deepEqual(await vmm.state(config.directory), { state: 'running' });
    assert.ok(await until(() => vmm.hasSaid(config.directory, 'begins'), { withinMs: 5_000 }));

    const pid = await pidOf(config.directory);
    const root = join(config.directory, 'jail', 'firecracker', config.name, 'root');
    const mounts = new Map<string, string>();
    for (const line of (await readFile(`/proc/${pid}/mountinfo`, 'utf8')).split('\n')) {
      const [, , , , place = '', options = ''] = line.split(' ');
      if (place.startsWith(root)) mounts.set(place.slice(root.length + 1), options.split(',')[0] ?? '');
    }
    assert.deepEqual(Object.fromEntries(mounts), {
      '': 'rw',
      ...{ kernel: 'ro', initrd: 'ro', root: 'ro', config: 'ro' },
      ...{ changes: 'rw', workspace: 'rw', run: 'rw' },
    });
    assert.doesNotMatch(await readFile('/proc/self/mountinfo', 'utf8'), new RegExp(root), 'of no one else');
    assert.notEqual(await readlink(`/proc/${pid}/ns/net`), await readlink('/proc/self/ns/net'));

    const sockets = join(jail.socketDirectory, config.name);
    assert.deepEqual(await readdir(sockets), ['firecracker.sock']);
    assert.ok(join(sockets, 'firecracker.sock').length < 108);
    assert.equal((await stat(jail.socketDirectory)).mode & 0o777, 0o700);
    assert.deepEqual([(await stat(sockets)).uid, (await stat(sockets)).mode & 0o777], [UID, 0o700]);

    if (await cgroupsHere()) assert.match(await readFile(`/proc/${pid}/cgroup`, 'utf8'), /clarateach\/vm-/);
    const groups = await readFile(join(config.directory, 'cgroups'), 'utf8').catch(() => '');

    assert.ok(
      await (await firecracker(program, jail)).leave(config.directory, 10_000),
      'found again by its directory',
    );
    await vmm.kill(config.directory);
    assert.equal(await exists(sockets), false);
    for (const group of groups.split('\n').filter(Boolean)) assert.equal(await exists(group), false, group);
    await rm(config.directory, { recursive: true });
    assert.equal(await readFile(join(directory, 'rootfs.ext4'), 'utf8'), 'rootfs.ext4');
  });

  test('runs below a directory that lets no programs and no devices work, as /tmp may be', async () => {
    const parent = join(directory, 'tmp');
    await mkdir(parent);
    const options = ['-t', 'tmpfs', '-o', 'nosuid,nodev,noexec,size=16m'];
    await runProgram('mount', [...options, 'clarateach-test', parent]);
    try {
      const config = await configured('seat-03', {}, parent);
      const vmm = await firecracker(program, jail);
      await vmm.start(config, signal);
      assert.ok(await until(() => vmm.hasSaid(config.directory, 'begins'), { withinMs: 5_000 }));
      const pid = await pidOf(config.directory);
      const root = join(config.directory, 'jail', 'firecracker', config.name, 'root');
      const line = (await readFile(`/proc/${pid}/mountinfo`, 'utf8'))
        .split('\n')
        .find((each) => each.split(' ')[4] === root);
      const held = line?.split(' ')[5]?.split(',') ?? [];
      assert.deepEqual([held.includes('nosuid'), held.includes('nodev')], [true, false]);
      await vmm.kill(config.directory);
    } finally {
      await runProgram('umount', [parent]);
    }
  });

  test('is not left half-made when the jailer or Firecracker refuses', async () => {
    const vmm = await firecracker(program, jail);
    for (const [changes, message] of [
      [{ name: 'no_such_name' }, /could not be started/],
      [{ network: { port: undefined, mac: 7 as unknown as string } }, /invalid type for `guest_mac`/],
    ] as const) {
      const config = await configured(`refused-${message.source.length}`, changes);
      await assert.rejects(vmm.start(config, signal), message);
      assert.notDeepEqual(await vmm.state(config.directory), { state: 'running' });
      assert.deepEqual(await readdir(jail.socketDirectory), []);
    }
  });

  test('is refused where somebody else has laid the directory of the sockets', async () => {
    const socketDirectory = join(directory, 'squatted');
    await mkdir(socketDirectory);
    await lchown(socketDirectory, 65_534, 65_534);
    const vmm = await firecracker(program, { ...jail, socketDirectory });
    await assert.rejects(
      vmm.start(await configured('squatted-1'), signal),
      (error) =>
        error instanceof ProviderError &&
        error.kind === 'rejected' &&
        /SOCKET_DIR.*another user/.test(error.message),
    );
    assert.deepEqual(await readdir(socketDirectory), []);
  });
});
