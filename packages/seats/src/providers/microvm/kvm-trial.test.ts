import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { until } from '../local/processes.ts';
import { firecracker } from './firecracker.ts';
import { endAbandonedTrials, firstThatRuns } from './kvm-trial.ts';
import { runProgram } from './run-program.ts';
import { vmState } from './vm-process.ts';
import type { Vmm } from './vmm.ts';

const { signal } = new AbortController();
let directory: string;
let images: { kernel: string; initrd: string };
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clarateach-trials-'));
  images = { kernel: join(directory, 'vmlinux'), initrd: join(directory, 'initrd.cpio') };
  for (const file of Object.values(images)) await writeFile(file, file);
});
after(() => rm(directory, { recursive: true, force: true }));

const fresh = (name: string) => mkdtemp(join(directory, `${name}-`));

/** A program that becomes a stand-in, under the name that it is called by. */
async function standIn(name: string, file: string, into: string): Promise<string> {
  const path = join(into, name);
  const script = join(import.meta.dirname, file);
  await writeFile(path, `#!/bin/sh\nexec ${process.execPath} ${script} "$@"\n`);
  await chmod(path, 0o755);
  return path;
}

describe('what is remembered of a trial', () => {
  let stateDirectory: string;
  let program: string;
  let starts = 0;
  const names: string[] = [];
  /** What the guest does. */
  let guest: 'comes up' | 'hangs' | 'ends' | 'is refused';
  beforeEach(async () => {
    stateDirectory = await fresh('state');
    program = join(stateDirectory, 'program');
    await writeFile(program, '');
    starts = 0;
  });
  const vmm: Vmm = {
    name: 'firecracker',
    acceleration: 'kvm',
    start: async ({ name }) => {
      starts += 1;
      names.push(name);
      if (guest === 'is refused') throw new Error('there is no room on the disk.');
    },
    state: async () => (guest === 'ends' ? { state: 'ended', reason: 'KVM failed' } : { state: 'running' }),
    hasSaid: async () => guest === 'comes up',
    processorSeconds: async () => 0,
    leave: async () => true,
    kill: async () => {},
  };
  const trial = () => firstThatRuns([{ vmm, programs: [program] }], { images, stateDirectory, withinMs: 20 });
  const trialsLeft = async () => (await readdir(stateDirectory)).filter((name) => name.startsWith('trial-'));

  test('is that a guest came up, and that one hung, of these programs and images alone', async () => {
    guest = 'hangs';
    const failed = ['no guest starts in Firecracker on KVM: it said nothing for 0.02 s'];
    for (let times = 1; times <= 2; times += 1) {
      assert.deepEqual(await trial(), { vmm: undefined, failed });
      assert.equal(starts, 1, 'one that hangs is waited for once');
    }
    guest = 'comes up';
    await utimes(program, 1, 1);
    assert.deepEqual(await trial(), { vmm, failed: [] });
    await trial();
    assert.equal(starts, 2, 'another program is tried, once');
    await utimes(images.initrd, starts, starts);
    await trial();
    assert.equal(starts, 3, 'other images are tried');
    await chmod(images.kernel, 0o600);
    await trial();
    assert.equal(starts, 4, 'what others may read now is tried');
    assert.deepEqual(await trialsLeft(), []);
  });

  test('is not what may be mended, and the choice says what it was', async () => {
    guest = 'is refused';
    assert.deepEqual((await trial()).failed, [
      'no guest starts in Firecracker on KVM: there is no room on the disk',
    ]);
    guest = 'ends';
    assert.deepEqual((await trial()).failed, ['no guest starts in Firecracker on KVM: KVM failed']);
    guest = 'comes up';
    assert.deepEqual(await trial(), { vmm, failed: [] });
    assert.equal(starts, 3);
    assert.deepEqual(await trialsLeft(), []);
  });

  test('is of its own agent: those that start at the same moment share nothing, not even a jail’s name', async () => {
    guest = 'comes up';
    names.length = 0;
    const agents = await Promise.all(['one', 'two', 'three'].map(fresh));
    const chosen = await Promise.all(
      agents.map((each) =>
        firstThatRuns([{ vmm, programs: [program] }], { images, stateDirectory: each, withinMs: 20 }),
      ),
    );
    for (const each of chosen) assert.deepEqual(each, { vmm, failed: [] });
    assert.equal(new Set(names).size, agents.length, names.join());
    // Firecracker's jailer takes such names; the path of its socket has room for no more.
    for (const name of names) assert.match(name, /^clarateach-trial-[0-9a-f]{12}$/);
    for (const each of agents) assert.deepEqual(await readdir(each), ['firecracker-kvm-trial.json']);
  });
});

const skip =
  process.getuid?.() !== 0
    ? 'only root may jail a VM'
    : await runProgram('unshare', ['--mount', 'true']).then(
        () => undefined,
        () => 'this machine allows no mount namespaces',
      );
if (skip) {
  console.log(`NOT RUN: trials in a jail: ${skip}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${skip}`);
}

describe('a trial in a jail', { skip: skip ?? false, concurrency: false }, () => {
  let program: string;
  let jail: { jailer: string; socketDirectory: string };
  before(async () => {
    const programs = await fresh('programs');
    program = await standIn('firecracker', 'firecracker-stand-in-program.ts', programs);
    const jailer = await standIn('jailer', 'firecracker-stand-in-jailer.ts', programs);
    jail = { jailer, socketDirectory: join(programs, 'sockets') };
  });
  const candidate = async () => ({
    vmm: await firecracker(program, jail),
    programs: [program, jail.jailer],
  });

  test('that was cut short is ended at the next start, with all that it had', async () => {
    const stateDirectory = await fresh('killed');
    const trial = join(stateDirectory, 'trial-Ab12Cd');
    await mkdir(join(trial, 'vm'), { recursive: true });
    const { vmm } = await candidate();
    await vmm.start(
      {
        ...{ name: 'clarateach-trial-0123456789ab', directory: trial, ...images, parameters: {} },
        ...{ memoryMiB: 256, cpus: 1, disks: [], network: undefined, uid: 65_534 },
      },
      signal,
    );
    // What a process that was killed leaves is known by nothing but its directory.
    const watched = join(directory, 'watched');
    await endAbandonedTrials(join(directory, 'no-such-directory'));
    assert.deepEqual(await vmState(trial), { state: 'running' });
    await runProgram('cp', ['-a', trial, watched]);
    await endAbandonedTrials(stateDirectory);
    assert.equal((await vmState(watched)).state, 'ended');
    assert.deepEqual(await readdir(stateDirectory), []);
    assert.deepEqual(await readdir(jail.socketDirectory), []);
  });

  test('that finds its sockets’ directory taken says so, and is made again when it is free', async () => {
    const stateDirectory = await fresh('taken');
    await writeFile(join(directory, 'taken'), '');
    jail = { ...jail, socketDirectory: join(directory, 'taken') };
    const options = { images, stateDirectory, withinMs: 20_000 };
    const { vmm, failed } = await firstThatRuns([await candidate()], options);
    assert.equal(vmm, undefined);
    assert.match(failed.join(), /no guest starts in Firecracker on KVM: .*(EEXIST|SOCKET_DIR)/);
    await rename(join(directory, 'taken'), join(directory, 'moved'));
    assert.equal((await firstThatRuns([await candidate()], options)).vmm?.name, 'firecracker');
    assert.ok(await until(async () => (await readdir(jail.socketDirectory)).length === 0, { withinMs: 1 }));
  });
});
