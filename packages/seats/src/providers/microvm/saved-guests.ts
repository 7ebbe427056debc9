import { chmod, type FileHandle, lchown, mkdir, open, readdir, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderError } from '../../provider.ts';
import { until } from '../local/processes.ts';
import { sealedCopy } from './guest-memory.ts';
import { removeLink } from './links.ts';
import type { NetworkSeat } from './network-rules.ts';
import { runProgram } from './run-program.ts';
import {
  exists,
  hash,
  identity,
  isStale,
  type MadeFrom,
  removeStale,
  writeMadeFrom,
} from './saved-guest-files.ts';
import { CONFIG_BYTES, type GuestImages, writeBlank } from './seat-disks.ts';
import { WORK } from './vm-process.ts';
import type { SavedGuest, VmConfig, VmDisk, Vmm, VmSnapshots } from './vmm.ts';

/** All that makes one blank guest differ from another. */
export interface GuestShape {
  readonly images: GuestImages;
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly changesBytes: number;
  readonly workspaceBytes: number;
}

export interface SavedGuestsOptions {
  readonly vmm: Vmm;
  readonly snapshots: VmSnapshots;
  /** Saved guests lie below it: they are the same for all installations of this machine. */
  readonly imagesDirectory: string;
  readonly stateDirectory: string;
  /** Of the VM that is saved: a name and a device of its own on no bridge, and a user of its own. */
  readonly network: NetworkSeat;
  readonly uid: number;
  readonly report: (line: string) => void;
}

/** Beside the images that they are made from. */
export const SAVED_GUESTS = 'saved-guests';
/** Raised when what is saved, or how a copy goes on, changes. */
const FORMAT = 3;
/** A guest that is not ready after so long hangs, unless it has had little processor time meanwhile. */
const MAKE_PATIENCE = { watchMs: 120_000, watchCpuS: 60 };
const MAKE_LIMIT_MS = 240_000;
/** One that has used so little of a processor for so long hangs; one that waits for its turn has used more. */
const STALL = { ms: 15_000, cpuS: 0.5 };
/** After a failure guests are booted, and saving is tried again after so long. */
const RETRY_MS = 600_000;

/** The disks of a guest in the order in which it sees them. */
export function guestDisks(paths: { root: string; workspace: string }): VmDisk[] {
  return [
    { id: 'root', path: paths.root, readOnly: true },
    { id: 'changes', path: 'changes.ext4', readOnly: false },
    { id: 'workspace', path: paths.workspace, readOnly: false },
    { id: 'config', path: 'config', readOnly: true },
  ];
}

interface Held {
  readonly from: MadeFrom;
  readonly guest: SavedGuest;
  /** What `guest` names by descriptor; none where it names files, which others may remove. */
  readonly open: readonly FileHandle[];
  users: number;
}

/**
 * Guests that were booted, warmed and saved as nobody's: one for each shape, made when it is first
 * asked for, and made anew when anything that it was made from has changed.
 */
export class SavedGuests {
  readonly #options: SavedGuestsOptions;
  readonly #held = new Map<string, Promise<Held | undefined>>();
  readonly #closing = new AbortController();
  readonly #making: string;

  constructor(options: SavedGuestsOptions) {
    this.#options = options;
    this.#making = join(options.stateDirectory, 'saving');
  }

  /** Ends what a process that was killed had begun. */
  async adopt(): Promise<void> {
    const begun = await readdir(this.#making).catch((): string[] => []);
    for (const name of begun) await this.#clear(join(this.#making, name));
  }

  /** Works with the saved guest of a shape; with undefined where guests cannot be saved, which is reported once. */
  async use<T>(
    shape: GuestShape,
    work: (saved: SavedGuest | undefined) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const from = { images: shape.images, identity: await identity(shape.images) };
    const key = hash(FORMAT, from.identity, this.#options.snapshots.dependsOn, {
      ...shape,
      images: undefined,
    });
    const before = this.#held.get(key);
    if (before && (await isGone(before)) && this.#held.get(key) === before) this.#held.delete(key);
    let opened = this.#held.get(key);
    if (opened === undefined) {
      opened = this.#open(key, from, shape).catch((error: Error) => {
        if (!this.#closing.signal.aborted) {
          this.#options.report(
            `Seats are booted instead of copied, which takes longer: no guest could be saved (${error.message})`,
          );
          setTimeout(() => this.#held.delete(key), RETRY_MS).unref();
        }
        return undefined;
      });
      this.#held.set(key, opened);
      await this.#letGoOfStale();
    }
    // A guest that is being saved is everybody's; who does not want a seat any more need not wait for it.
    const held = await orAborted(opened, signal);
    if (held === undefined) return work(undefined);
    held.users += 1;
    try {
      return await work(held.guest);
    } finally {
      held.users -= 1;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the server ends'));
    for (const held of await Promise.all(this.#held.values())) if (held) await letGo(held);
    this.#held.clear();
  }

  /** What was made of images that are no more is held no longer than it is used. */
  async #letGoOfStale(): Promise<void> {
    for (const [key, opened] of [...this.#held]) {
      const held = await Promise.race([opened, Promise.resolve(undefined)]);
      if (!held || held.users > 0 || !(await isStale(held.from))) continue;
      this.#held.delete(key);
      await letGo(held);
    }
  }

  async #open(key: string, from: MadeFrom, shape: GuestShape): Promise<Held> {
    const directory = join(this.#options.imagesDirectory, SAVED_GUESTS, key);
    if (!(await exists(directory))) await this.#save(directory, key, from, shape);
    const now = new Date();
    await utimes(directory, now, now).catch(() => {});
    const files = { memory: join(directory, 'memory'), state: join(directory, 'state') };
    if (this.#options.snapshots.memory === 'file') return { from, guest: files, open: [], users: 0 };
    const memory = await sealedCopy(files.memory);
    try {
      const state = await open(files.state);
      const guest = { memory: `/proc/self/fd/${memory.fd}`, state: `/proc/self/fd/${state.fd}` };
      return { from, guest, open: [memory, state], users: 0 };
    } catch (error) {
      await memory.close();
      throw error;
    }
  }

  /** After: the guest lies in `directory`, whole, and those that nobody will ask for are gone. */
  async #save(directory: string, key: string, from: MadeFrom, shape: GuestShape): Promise<void> {
    const parent = join(this.#options.imagesDirectory, SAVED_GUESTS);
    await mkdir(parent, { recursive: true, mode: 0o700 });
    await removeStale(parent);
    const next = `${directory}.${process.pid}.new`;
    const work = join(this.#making, key);
    try {
      // Now and then a guest hangs in software; the second one then does not.
      const saved = (await this.#make(work, shape)) ?? (await this.#make(work, shape));
      if (!saved) throw new ProviderError('unreachable', 'a blank guest did not come up in time');
      await mkdir(next, { mode: 0o700 });
      for (const [from, to] of [
        [saved.memory, 'memory'],
        [saved.state, 'state'],
      ] as const) {
        await runProgram('cp', ['--sparse=always', from, join(next, to)]);
        // A VM's user reads what it is handed; the directory above keeps all others out.
        await chmod(join(next, to), 0o444);
      }
      await writeMadeFrom(next, from);
      // Another server may have been faster; its guest is as good.
      await rename(next, directory).catch(async (error: unknown) => {
        if (!(await exists(directory))) throw error;
      });
    } finally {
      await rm(next, { recursive: true, force: true });
      await this.#clear(work);
    }
  }

  /** Undefined when the guest hung. */
  async #make(directory: string, shape: GuestShape): Promise<SavedGuest | undefined> {
    const { vmm, snapshots, network, uid } = this.#options;
    const { signal } = this.#closing;
    await this.#clear(directory);
    const work = join(directory, WORK);
    await mkdir(work, { recursive: true, mode: 0o700 });
    for (const [name, bytes] of [
      ['changes.ext4', shape.changesBytes],
      ['workspace.ext4', shape.workspaceBytes],
      ['config', CONFIG_BYTES],
    ] as const) {
      await writeBlank(join(work, name), bytes);
      await lchown(join(work, name), uid, uid);
    }
    await lchown(work, uid, uid);
    const config: VmConfig = {
      // A jail's name: no other VM of this machine has it.
      name: `clarateach-blank-${network.port}`,
      directory,
      kernel: shape.images.kernel,
      initrd: shape.images.initrd,
      parameters: { SEAT_WAIT: '1' },
      memoryMiB: shape.memoryMiB,
      cpus: shape.cpus,
      disks: guestDisks({ root: shape.images.rootfs, workspace: 'workspace.ext4' }),
      network: { port: undefined, mac: network.mac },
      uid,
      begin: { kind: 'to-save' },
    };
    await vmm.start(config, signal);
    const began = performance.now();
    let progress = { at: began, cpuS: 0 };
    const stalls = async () => {
      const at = performance.now();
      const cpuS = await vmm.processorSeconds(directory);
      if (cpuS - progress.cpuS > STALL.cpuS) progress = { at, cpuS };
      return at - progress.at > STALL.ms;
    };
    const settled = async () =>
      (await snapshots.waits(directory)) ||
      (await stalls()) ||
      (await vmm.state(directory)).state !== 'running' ||
      (performance.now() - began > MAKE_PATIENCE.watchMs &&
        (await vmm.processorSeconds(directory)) > MAKE_PATIENCE.watchCpuS);
    await until(settled, { withinMs: MAKE_LIMIT_MS, signal });
    signal.throwIfAborted();
    if (!(await snapshots.waits(directory))) {
      const state = await vmm.state(directory);
      if (state.state === 'ended') throw new ProviderError('unreachable', state.reason);
      return undefined;
    }
    const into = { memory: join(directory, 'saved-memory'), state: join(directory, 'saved-state') };
    await snapshots.save(config, into, signal);
    return into;
  }

  async #clear(directory: string): Promise<void> {
    const { vmm, network } = this.#options;
    await vmm.kill(directory);
    await rm(directory, { recursive: true, force: true });
    // A server of an earlier version had the blank guest's tap on the host.
    await removeLink(network.port);
  }
}

/** Its result, or the signal's reason as soon as it is aborted; the work goes on. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Whether what is named by file has been removed, as another server does with what it does not know of. */
async function isGone(opened: Promise<Held | undefined>): Promise<boolean> {
  const held = await Promise.race([opened, Promise.resolve(undefined)]);
  return held !== undefined && held.open.length === 0 && !(await exists(held.guest.state));
}

async function letGo({ open }: Held): Promise<void> {
  await Promise.all(open.map((file) => file.close()));
}
