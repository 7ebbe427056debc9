/** What seats of a runtime run beside: as much isolation, and nothing of the platform. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SEAT_LIMITS } from '@clarateach/contract/seat-limits';
import { uidOf } from '@clarateach/seats/providers/microvm/guest-start';
import { VmNetwork } from '@clarateach/seats/providers/microvm/network';
import { qemu } from '@clarateach/seats/providers/microvm/qemu';
import { type GuestShape, SavedGuests } from '@clarateach/seats/providers/microvm/saved-guests';
import { guestImages } from '@clarateach/seats/providers/microvm/seat-disks';
import { IMAGES } from '@clarateach/seats/providers/microvm/testing';
import { containerMiB, removeContainers, startSleepers } from './docker.ts';
import { options } from './harness.ts';
import { rawVm } from './raw-vm.ts';

const RUNTIMES = ['docker', 'firecracker'] as const;

/** `--runtime`; docker when left out. */
export const runtime = RUNTIMES.find((each) => each === options.runtime) ?? 'docker';

/** So many of the peer, started at once; `seatMiB` is the memory of a seat of the platform by its name. */
export interface Beside {
  readonly name: string;
  /** Starts them and gives the ms until the last is there. */
  start(): Promise<number>;
  /** Memory of each that runs. */
  memoryMiB(): Promise<number[]>;
  stop(): Promise<void>;
  remove(): Promise<void>;
}

export async function beside(count: number): Promise<Beside> {
  return runtime === 'docker' ? sleepers(count) : rawVms(count);
}

export function seatMiB(name: string): Promise<number> {
  return runtime === 'docker' ? containerMiB(name) : Promise.resolve(pssMiB(pidOf(name)));
}

function sleepers(count: number): Beside {
  let ids: string[] = [];
  return {
    name: `${count} sleeping containers`,
    async start() {
      const began = performance.now();
      ids = await startSleepers(count);
      return performance.now() - began;
    },
    memoryMiB: () => Promise.all(ids.map(containerMiB)),
    stop: () => removeContainers(ids),
    remove: async () => {},
  };
}

/** QEMU alone, as copies of one saved guest, as the seats are. */
async function rawVms(count: number): Promise<Beside> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'clarateach-beside-'));
  const vmm = await qemu('emulation');
  if (vmm.snapshots === undefined) throw new Error('This VMM saves no guests.');
  const network = new VmNetwork({ installation: stateDirectory, stateDirectory, bridge: undefined });
  const saved = new SavedGuests({
    ...{ vmm, snapshots: vmm.snapshots, imagesDirectory: IMAGES, stateDirectory },
    network: network.seat('0.0.0.0'),
    uid: uidOf('0.0.0.0'),
    report: (line) => console.error(line),
  });
  const MIB = 1024 * 1024;
  const shape: GuestShape = {
    images: await guestImages(IMAGES),
    memoryMiB: SEAT_LIMITS.firecracker.memoryMiB,
    cpus: SEAT_LIMITS.firecracker.cpus,
    changesBytes: 1_024 * MIB,
    workspaceBytes: 4_096 * MIB,
  };
  const vms = await Promise.all(Array.from({ length: count }, (_, index) => rawVm(index + 1, shape)));
  return {
    name: `${count} of QEMU alone`,
    start: () =>
      saved.use(
        shape,
        async (guest) => {
          const began = performance.now();
          await Promise.all(vms.map((vm) => vm.start(guest)));
          return performance.now() - began;
        },
        new AbortController().signal,
      ),
    memoryMiB: async () => vms.map(({ pid }) => pssMiB(pid)),
    stop: async () => {
      for (const vm of vms) await vm.stop();
    },
    remove: async () => {
      for (const vm of vms) await vm.remove();
      await saved.close();
      await rm(stateDirectory, { recursive: true, force: true });
    },
  };
}

function pidOf(name: string): number {
  for (const pid of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`-name\0${name}\0`)) return Number(pid);
    } catch {
      // It has just ended.
    }
  }
  throw new Error(`No VM is named ${name}.`);
}

function pssMiB(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) / 1024;
}
