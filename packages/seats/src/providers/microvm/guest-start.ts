import { lchown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { VmNetwork } from './network.ts';
import { type GuestShape, guestDisks } from './saved-guests.ts';
import {
  ensureWorkspaceDisk,
  type GuestSettings,
  makeChangesDisk,
  type ProgramLimits,
  writeNobodysDisk,
} from './seat-disks.ts';
import { WORK } from './vm-process.ts';
import type { GuestLine, SavedGuest, Vmm } from './vmm.ts';

/** The learner's disk, in the directory of a seat. */
export const WORKSPACE = 'workspace.ext4';
/** What runs, in the directory of a seat: all of it goes when the seat stops. */
export const RUN = 'run';
/** The disk that says whose guest it is, in the directory that the VM works in. */
export const CONFIG = 'config';
/** VMs run as users of their own, one for each address, beyond those that systems hand out. */
const FIRST_UID = 1_900_000_000;
/** Longer than this no guest takes to its first line, unless it hangs or the machine is overrun. */
const BOOT_LIMIT_MS = 90_000;

/** How long a guest may be silent: so long, when it has had so much processor time meanwhile. */
export interface Patience {
  readonly watchMs: number;
  readonly watchCpuS: number;
}
/** One that has had less processor time is held up by others, and does not hang. */
export const BOOT_PATIENCE: Patience = { watchMs: 20_000, watchCpuS: 10 };
/** A copied guest goes on at once, and one that is ready takes its seat; it hangs if it does not. */
export const COPY_PATIENCE: Patience = { watchMs: 8_000, watchCpuS: 4 };

/** In software Node.js alone takes seconds to come up. */
const READY_PATIENCE: Patience = { watchMs: 30_000, watchCpuS: 25 };

export interface GuestStart {
  readonly vmm: Vmm;
  readonly network: VmNetwork;
  /** Shown in process lists. */
  readonly name: string;
  /** With the learner's disk, which is made where there is none, and below it all that runs. */
  readonly directory: string;
  readonly address: string;
  readonly shape: GuestShape;
  /** What it is a copy of; undefined to boot. */
  readonly saved: SavedGuest | undefined;
  /** Writes the disk that says whose guest it is. */
  readonly writeConfig: (path: string) => Promise<void>;
}

/** After: a VM runs below the directory; a copy of a saved guest waits to be woken. */
export async function startGuest(guest: GuestStart, signal: AbortSignal): Promise<void> {
  const { vmm, network, name, address, shape, saved } = guest;
  const uid = uidOf(address);
  const run = join(guest.directory, RUN);
  const work = join(run, WORK);
  await mkdir(work, { recursive: true });
  const workspace = join(guest.directory, WORKSPACE);
  const [{ port, mac }] = await Promise.all([
    network.attach(address),
    ensureWorkspaceDisk(workspace, { bytes: shape.workspaceBytes, uid }),
    makeChangesDisk(join(work, 'changes.ext4'), shape.changesBytes),
    guest.writeConfig(join(work, CONFIG)),
  ]);
  for (const part of ['changes.ext4', CONFIG, '.']) await lchown(join(work, part), uid, uid);
  signal.throwIfAborted();
  await vmm.start(
    {
      name,
      directory: run,
      kernel: shape.images.kernel,
      initrd: shape.images.initrd,
      parameters: saved === undefined ? {} : { SEAT_WAIT: '1' },
      memoryMiB: shape.memoryMiB,
      cpus: shape.cpus,
      disks: guestDisks({ root: shape.images.rootfs, workspace }),
      network: { port, mac },
      uid,
      begin: saved === undefined ? { kind: 'boot' } : { kind: 'copy', of: saved },
    },
    signal,
  );
}

/** After: nobody's guest waits for its seat, with the seat's programs started. */
export async function startReadyGuest(
  { limits, ...guest }: Omit<GuestStart, 'writeConfig'> & { readonly limits: ProgramLimits },
  signal: AbortSignal,
): Promise<void> {
  const { vmm, network, address } = guest;
  const writeConfig = async (path: string) =>
    writeNobodysDisk(path, { limits, ...(await settingsAt(network, address)) });
  await startGuest({ ...guest, writeConfig }, signal);
  const run = join(guest.directory, RUN);
  await vmm.snapshots?.wake(run);
  if (await says(vmm, run, { what: 'isReady', patience: READY_PATIENCE, signal })) return;
  const state = await vmm.state(run);
  throw new Error(state.state === 'ended' ? state.reason : 'its programs did not come up in time');
}

/** What a guest with that address is told of the network. */
export async function settingsAt(network: VmNetwork, address: string): Promise<GuestSettings> {
  const bridge = await network.bridge();
  return {
    resolvers: await network.resolvers(),
    identity: {
      address: `${address}/${bridge.network.prefix}`,
      gateway: bridge.network.address,
      mac: network.seat(address).mac,
    },
  };
}

/** Waits until the guest says so; false when it has ended or hangs, as some do in software. */
export async function says(
  vmm: Vmm,
  run: string,
  { what, patience, signal }: { what: GuestLine; patience: Patience; signal: AbortSignal },
): Promise<boolean> {
  const { watchMs, watchCpuS } = patience;
  const began = performance.now();
  // Its first line is counted from its start, which may have been before this process.
  const usedS = what === 'begins' ? 0 : await vmm.processorSeconds(run);
  while (!(await vmm.hasSaid(run, what))) {
    signal.throwIfAborted();
    if ((await vmm.state(run)).state !== 'running') return vmm.hasSaid(run, what);
    const waited = performance.now() - began;
    if (waited > BOOT_LIMIT_MS) return false;
    if (waited > watchMs && (await vmm.processorSeconds(run)) - usedS > watchCpuS) return false;
    await pause(20);
  }
  return true;
}

export function uidOf(address: string): number {
  const [, , high = 0, low = 0] = address.split('.').map(Number);
  return FIRST_UID + high * 256 + low;
}
