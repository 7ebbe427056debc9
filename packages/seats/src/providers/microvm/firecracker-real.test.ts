import assert from 'node:assert/strict';
import { access, chmod, constants, lchown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../local/processes.ts';
import { findFirecracker, whyNoKvm } from './choose-vmm.ts';
import { firecracker } from './firecracker.ts';
import { guestDisks } from './saved-guests.ts';
import { CONFIG_BYTES, guestImages, writeBlank } from './seat-disks.ts';
import { IMAGES } from './testing.ts';
import type { VmBeginning, VmConfig } from './vmm.ts';

const found = await findFirecracker(IMAGES);
const guest = await guestImages(IMAGES).catch((error: Error) => error);
const reason =
  found === undefined
    ? 'no Firecracker is installed (clarateach microvm setup)'
    : guest instanceof Error
      ? guest.message
      : process.getuid?.() === 0
        ? await whyNoKvm()
        : 'only root may jail a VM';
if (reason !== undefined) console.log(`NOT RUN: Firecracker’s own program: ${reason}`);

// One of the tests that e2e/runner/elsewhere.ts allows not to run: not every machine has KVM.
test('Firecracker’s own program takes the requests and brings a guest up, jailed', {
  skip: reason === undefined ? false : `NOT RUN: ${reason}`,
  timeout: 60_000,
}, async () => {
  assert.ok(found && !(guest instanceof Error));
  await access(found.program, constants.X_OK);
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-fc-'));
  const { jailer } = found;
  const jail = jailer === undefined ? undefined : { jailer, socketDirectory: join(directory, 'sockets') };
  const vmm = await firecracker(found.program, jail);
  const vm = join(directory, 'vm');
  try {
    await mkdir(join(vm, 'vm'), { recursive: true });
    await vmm.start(
      {
        name: 'clarateach-test',
        directory: vm,
        kernel: guest.kernel,
        initrd: guest.initrd,
        parameters: { SEAT_TRIAL: '1' },
        memoryMiB: 256,
        cpus: 1,
        disks: [{ id: 'root', path: guest.rootfs, readOnly: true }],
        network: undefined,
        uid: 1_900_000_778,
      },
      new AbortController().signal,
    );
    assert.ok(await until(() => vmm.hasSaid(vm, 'begins'), { withinMs: 10_000 }));
  } finally {
    await vmm.kill(vm);
    await rm(directory, { recursive: true, force: true });
  }
});

test('Firecracker’s own program saves a guest, and its copies go on when they are woken', {
  skip: reason === undefined ? false : `NOT RUN: ${reason}`,
  timeout: 240_000,
}, async () => {
  assert.ok(found && !(guest instanceof Error));
  const images = guest;
  const { signal } = new AbortController();
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-fc-'));
  const { jailer } = found;
  const jail = jailer === undefined ? undefined : { jailer, socketDirectory: join(directory, 'sockets') };
  const vmm = await firecracker(found.program, jail);
  const { snapshots } = vmm;
  assert.ok(snapshots);
  const vms: string[] = [];
  const uid = 1_900_000_779;

  async function start(begin: VmBeginning): Promise<VmConfig> {
    const name = `clarateach-test-${vms.length}`;
    const vm = join(directory, name);
    const work = join(vm, 'vm');
    vms.push(vm);
    await mkdir(work, { recursive: true });
    const disks = guestDisks({ root: images.rootfs, workspace: 'workspace.ext4' });
    for (const { id, path } of disks.slice(1)) {
      await writeBlank(join(work, path), id === 'config' ? CONFIG_BYTES : 64 * 1024 * 1024);
      await lchown(join(work, path), uid, uid);
    }
    await lchown(work, uid, uid);
    const config: VmConfig = {
      ...{ name, directory: vm, kernel: images.kernel, initrd: images.initrd, disks, uid, begin },
      parameters: { SEAT_WAIT: '1' },
      ...{ memoryMiB: 512, cpus: 1, network: undefined },
    };
    await vmm.start(config, signal);
    return config;
  }

  try {
    const blank = await start({ kind: 'to-save' });
    assert.ok(await until(() => snapshots.waits(blank.directory), { withinMs: 120_000 }));
    const of = { memory: join(directory, 'memory'), state: join(directory, 'state') };
    await snapshots.save(blank, of, signal);
    for (const file of [of.memory, of.state]) await chmod(file, 0o444);
    const copies = [await start({ kind: 'copy', of }), await start({ kind: 'copy', of })];
    for (const copy of copies) {
      assert.equal(await vmm.hasSaid(copy.directory, 'begins'), false);
      await snapshots.wake(copy.directory);
      assert.ok(await until(() => vmm.hasSaid(copy.directory, 'begins'), { withinMs: 10_000 }));
    }
  } finally {
    for (const vm of vms) await vmm.kill(vm);
    await rm(directory, { recursive: true, force: true });
  }
});
