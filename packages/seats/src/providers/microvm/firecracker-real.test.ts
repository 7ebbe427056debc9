import assert from 'node:assert/strict';
import { access, constants, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../local/processes.ts';
import { findFirecracker, whyNoKvm } from './choose-vmm.ts';
import { firecracker } from './firecracker.ts';
import { guestImages } from './seat-disks.ts';
import { IMAGES } from './testing.ts';

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
    assert.ok(await until(() => vmm.hasBegun(vm), { withinMs: 10_000 }));
  } finally {
    await vmm.kill(vm);
    await rm(directory, { recursive: true, force: true });
  }
});
