import assert from 'node:assert/strict';
import {
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
import { firecracker } from './firecracker.ts';
import type { Jail } from './jail.ts';
import { runProgram } from './run-program.ts';
import { guestDisks, SavedGuests } from './saved-guests.ts';
import { killVm } from './vm-process.ts';
import type { SavedGuest, VmBeginning, VmConfig, Vmm, VmSnapshots } from './vmm.ts';

const { signal } = new AbortController();
const UID = 1_900_000_779;
const root = process.getuid?.() === 0;
const canJail =
  root &&
  (await runProgram('unshare', ['--mount', '--net', 'true']).then(
    () => true,
    () => false,
  ));
if (!canJail) {
  const reason = root ? 'this machine allows no mount and network namespaces' : 'only root may jail a VM';
  console.log(`NOT RUN: saved guests in a jail: ${reason}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${reason}`);
}

let directory: string;
let program: string;
let jail: Jail;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clarateach-fcsnap-'));
  program = await standIn('firecracker', 'firecracker-stand-in-program.ts');
  jail = {
    jailer: await standIn('jailer', 'firecracker-stand-in-jailer.ts'),
    socketDirectory: join(directory, 'sockets'),
  };
  for (const name of ['vmlinux', 'initrd.cpio', 'rootfs.ext4']) await writeFile(join(directory, name), name);
});
after(async () => {
  // A test that has failed may have left its VMs.
  for (const vm of vms) await killVm(vm);
  await rm(directory, { recursive: true, force: true });
});

async function standIn(name: string, file: string, first = ''): Promise<string> {
  const path = join(directory, name);
  const script = join(import.meta.dirname, file);
  await writeFile(path, `#!/bin/sh\n${first}\nexec ${process.execPath} ${script} "$@"\n`);
  await chmod(path, 0o755);
  return path;
}

let number = 0;
const vms: string[] = [];
/** A VM of its own directory; the learner's disk of a copy lies elsewhere, as a seat's does. */
async function configured(begin: VmBeginning, uid: number | undefined): Promise<VmConfig> {
  const name = `clarateach-test-${number++}`;
  const vm = join(directory, name);
  vms.push(vm);
  const work = join(vm, 'vm');
  await mkdir(work, { recursive: true });
  const workspace = begin.kind === 'copy' ? join(vm, 'workspace.ext4') : 'workspace.ext4';
  const disks = guestDisks({ root: join(directory, 'rootfs.ext4'), workspace });
  for (const { path } of disks) {
    if (!path.startsWith('/')) await writeFile(join(work, path), path);
  }
  if (begin.kind === 'copy') await writeFile(workspace, 'files');
  if (uid !== undefined)
    for (const part of [...(await readdir(work)), '.']) await lchown(join(work, part), uid, uid);
  return {
    ...{ name, directory: vm, memoryMiB: 512, cpus: 1, disks, uid, begin },
    ...{ kernel: join(directory, 'vmlinux'), initrd: join(directory, 'initrd.cpio') },
    parameters: { SEAT_WAIT: '1' },
    // Only root gives a VM a network.
    network: root ? { port: undefined, mac: '02:00:c0:a8:64:0b' } : undefined,
  };
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly body: Record<string, unknown>;
}

for (const jailed of [false, true]) {
  const uid = jailed ? UID : undefined;
  const skip = jailed && !canJail;
  describe(`a saved guest of Firecracker ${jailed ? 'in a jail' : 'without a jail'}`, {
    skip,
    concurrency: false,
  }, () => {
    let vmm: Vmm;
    let snapshots: VmSnapshots;
    before(async () => {
      vmm = await firecracker(program, jailed ? jail : undefined);
      assert.ok(vmm.snapshots);
      snapshots = vmm.snapshots;
    });

    const placeOf = ({ directory: vm, name }: VmConfig) =>
      jailed ? join(vm, 'jail', 'firecracker', name, 'root') : join(vm, 'vm');
    async function asked(config: VmConfig): Promise<Asked[]> {
      const lines = await readFile(join(placeOf(config), 'stand-in-requests'), 'utf8');
      return lines
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Asked);
    }
    const intoOf = (config: VmConfig): SavedGuest => ({
      memory: join(config.directory, 'memory'),
      state: join(config.directory, 'state'),
    });
    async function waiting(): Promise<VmConfig> {
      const config = await configured({ kind: 'to-save' }, uid);
      await vmm.start(config, signal);
      assert.ok(await until(() => snapshots.waits(config.directory), { withinMs: 5_000 }));
      return config;
    }
    async function saved(): Promise<SavedGuest> {
      const config = await waiting();
      const into = intoOf(config);
      await snapshots.save(config, into, signal);
      return into;
    }
    async function nothingRuns(config: VmConfig): Promise<void> {
      assert.notEqual((await vmm.state(config.directory)).state, 'running');
      const sockets = await readdir(jail.socketDirectory).catch((): string[] => []);
      assert.equal(sockets.includes(config.name), false);
    }

    test('is paused, written whole, and ends', async () => {
      const config = await waiting();
      const into = intoOf(config);
      await snapshots.save(config, into, signal);
      const inside = jailed ? '/' : '';
      assert.deepEqual((await asked(config)).slice(-2), [
        { method: 'PATCH', path: '/vm', body: { state: 'Paused' } },
        {
          method: 'PUT',
          path: '/snapshot/create',
          body: {
            snapshot_type: 'Full',
            snapshot_path: `${inside}saved-state`,
            mem_file_path: `${inside}saved-memory`,
          },
        },
      ]);
      assert.equal(await readFile(into.memory, 'utf8'), 'memory');
      assert.ok((await stat(into.state)).size > 0);
      assert.deepEqual(
        (await readdir(placeOf(config))).filter((name) => name.startsWith('saved')),
        [],
      );
      await nothingRuns(config);
    });

    test('is copied by one request, with a network and disks of its own, and goes on when it is woken', async () => {
      const of = await saved();
      for (const file of [of.memory, of.state]) await chmod(file, 0o444);
      const copies = await Promise.all([1, 2].map(() => configured({ kind: 'copy', of }, uid)));
      for (const copy of copies) await vmm.start(copy, signal);
      const namespaces = new Set([await readlink('/proc/self/ns/net')]);
      for (const copy of copies) {
        const file = (fd: number, name: string) => (jailed ? `/${name}` : `/proc/self/fd/${fd}`);
        assert.deepEqual(await asked(copy), [
          {
            method: 'PUT',
            path: '/snapshot/load',
            body: {
              snapshot_path: file(10, 'state'),
              mem_backend: { backend_type: 'File', backend_path: file(9, 'memory') },
              resume_vm: true,
            },
          },
        ]);
        const pid = (await readFile(join(copy.directory, 'process'), 'utf8')).split(' ')[1];
        namespaces.add(await readlink(`/proc/${pid}/ns/net`));
        if (jailed) {
          const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8');
          for (const name of ['memory', 'state']) {
            assert.match(
              mounts,
              new RegExp(` ${placeOf(copy)}/${name} ro[, ]`),
              'no copy can change another',
            );
          }
        }
        assert.equal(await vmm.hasSaid(copy.directory, 'begins'), false, 'it waits');
      }
      if (root) assert.equal(namespaces.size, 3, 'neither the host’s nor another’s');
      const [first, second] = copies as [VmConfig, VmConfig];
      // Found again by its directory, by another process as well.
      await (await firecracker(program, jailed ? jail : undefined)).snapshots?.wake(first.directory);
      assert.ok(await until(() => vmm.hasSaid(first.directory, 'begins'), { withinMs: 5_000 }));
      assert.equal(
        await vmm.hasSaid(second.directory, 'begins'),
        false,
        'only the one that was woken goes on',
      );
      assert.ok(await vmm.leave(first.directory, 10_000));
      for (const copy of copies) {
        await vmm.kill(copy.directory);
        await nothingRuns(copy);
      }
      assert.equal(await readFile(of.memory, 'utf8'), 'memory');
    });

    test('that Firecracker does not load leaves nothing, and can be booted instead', async () => {
      const of = await saved();
      await rm(of.state);
      await writeFile(
        of.state,
        JSON.stringify({ drives: [], networks: [{ iface_id: 'eth0', host_dev_name: 'ct123456-640b' }] }),
      );
      const copy = await configured({ kind: 'copy', of }, uid);
      await assert.rejects(
        vmm.start(copy, signal),
        (error) =>
          error instanceof ProviderError &&
          error.kind === 'unreachable' &&
          /refused PUT \/snapshot\/load: .*TUN\/TAP Backend provided by ct123456-640b/.test(error.message),
      );
      await nothingRuns(copy);
    });

    test('whose disk is not where the saved one had it is not copied', async () => {
      const of = await saved();
      const disks = [{ drive_id: 'other', path_on_host: '/proc/self/fd/99', is_read_only: true }];
      await writeFile(of.state, JSON.stringify({ drives: disks, networks: [] }));
      const copy = await configured({ kind: 'copy', of }, uid);
      await assert.rejects(vmm.start(copy, signal), /manipulating the backing file: No such file/);
      await nothingRuns(copy);
    });

    test('that cannot be written is no guest: neither file is there, and its VM has ended', async () => {
      const config = await waiting();
      const into = intoOf(config);
      await mkdir(join(placeOf(config), 'saved-memory'));
      await assert.rejects(
        snapshots.save(config, into, signal),
        (error) =>
          error instanceof ProviderError &&
          /refused PUT \/snapshot\/create: .*the memory backing file/.test(error.message),
      );
      await nothingRuns(config);
      assert.deepEqual(
        (await readdir(placeOf(config))).filter((name) => name.startsWith('saved')),
        [],
      );
      assert.deepEqual(
        (await readdir(config.directory)).filter((name) => /memory|state/.test(name)),
        [],
      );
    });

    test('that is given up while it is saved is none', async () => {
      const config = await waiting();
      await assert.rejects(
        snapshots.save(config, intoOf(config), AbortSignal.abort(new Error('given up'))),
        /given up/,
      );
      await nothingRuns(config);
    });
  });
}

describe('guests of Firecracker', () => {
  test('that are not there have nothing to be told', async () => {
    const { snapshots } = await firecracker(program);
    const config = await configured({ kind: 'boot' }, undefined);
    await snapshots?.wake(config.directory);
    await runProgram('mkfifo', [join(config.directory, 'console.in')]);
    await snapshots?.wake(config.directory);
    await snapshots?.wake(join(directory, 'nowhere'));
  });

  test('depend on Firecracker’s release, and on how it finds its files', async () => {
    const depends = async (of: Promise<Vmm>) => (await of).snapshots?.dependsOn ?? '';
    const first = `[ "$1" = --version ] && echo 'Firecracker v1.17.0' && exit`;
    const next = await standIn('firecracker-next', 'firecracker-stand-in-program.ts', first);
    const all = [firecracker(program), firecracker(program, jail), firecracker(next)];
    assert.equal(new Set(await Promise.all(all.map(depends))).size, 3);
    assert.equal(await depends(firecracker(program)), await depends(firecracker(program)));
  });
});

describe('what is held of saved guests of Firecracker', { skip: !canJail, concurrency: false }, () => {
  const network = { port: 'ctfcsnap-0000', mac: '02:00:00:00:00:00' };
  async function savedGuests(program: string, reports: string[]) {
    const vmm = await firecracker(program, jail);
    assert.ok(vmm.snapshots);
    const place = join(directory, `machine-${number++}`);
    const [imagesDirectory, stateDirectory] = [join(place, 'images'), join(place, 'state')];
    for (const each of [imagesDirectory, stateDirectory]) await mkdir(each, { recursive: true });
    const report = (line: string) => reports.push(line);
    const { snapshots } = vmm;
    const saved = new SavedGuests({
      ...{ vmm, snapshots, imagesDirectory, stateDirectory, uid: UID, report },
      network: { ...network, address: '0.0.0.0' },
    });
    return { vmm, saved, imagesDirectory, stateDirectory };
  }
  const shape = () => ({
    images: {
      kernel: join(directory, 'vmlinux'),
      initrd: join(directory, 'initrd.cpio'),
      rootfs: join(directory, 'rootfs.ext4'),
    },
    ...{ memoryMiB: 512, cpus: 1, changesBytes: 4096, workspaceBytes: 4096 },
  });

  test('is the file itself, which a VM’s user may only read, and is made anew where it was removed', async () => {
    const reports: string[] = [];
    const { vmm, saved, imagesDirectory, stateDirectory } = await savedGuests(program, reports);
    const place = join(imagesDirectory, 'saved-guests');
    const names: string[] = [];
    for (let turn = 0; turn < 2; turn += 1) {
      await saved.use(
        shape(),
        async (of) => {
          assert.ok(of, reports.join());
          names.push(of.memory);
          for (const file of [of.memory, of.state]) {
            assert.ok(file.startsWith(place));
            assert.deepEqual([(await stat(file)).mode & 0o777, (await stat(file)).uid], [0o444, 0]);
          }
          assert.equal((await stat(place)).mode & 0o777, 0o700);
          const copy = await configured({ kind: 'copy', of }, UID);
          await vmm.start(copy, signal);
          await vmm.snapshots?.wake(copy.directory);
          assert.ok(await until(() => vmm.hasSaid(copy.directory, 'begins'), { withinMs: 5_000 }));
          await vmm.kill(copy.directory);
        },
        signal,
      );
      await rm(place, { recursive: true });
    }
    assert.equal(names.length, 2);
    assert.deepEqual(reports, []);
    await saved.close();
    assert.deepEqual(await readdir(join(stateDirectory, 'saving')), []);
    assert.deepEqual(await readdir(jail.socketDirectory), []);
    await assert.rejects(stat(`/sys/class/net/${network.port}`), { code: 'ENOENT' });
  });

  test('is nothing where Firecracker cannot save: seats are booted, and the reason is told', async () => {
    const reports: string[] = [];
    const first = `[ "$1" = --version ] || { echo 'no KVM for it' >&2; exit 1; }`;
    const broken = await standIn('firecracker-broken', 'firecracker-stand-in-program.ts', first);
    const { saved, stateDirectory } = await savedGuests(broken, reports);
    // As a server of an earlier version left it, which was killed.
    await runProgram('ip', ['tuntap', 'add', 'dev', network.port, 'mode', 'tap']);
    assert.equal(await saved.use(shape(), async (of) => of, signal), undefined);
    assert.match(reports.join('\n'), /^Seats are booted instead of copied.*no KVM for it/);
    await saved.close();
    assert.deepEqual(await readdir(join(stateDirectory, 'saving')), []);
    await assert.rejects(stat(`/sys/class/net/${network.port}`), { code: 'ENOENT' });
  });
});
