import { access, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseSeatName, type SeatId, seatName } from '@clarateach/contract/ids';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '../../provider.ts';
import { Slots, Turnstiles } from '../../turnstile.ts';
import { answersHealth } from '../docker/seat-health.ts';
import { explained } from '../local/machine-errors.ts';
import { Addresses } from './addresses.ts';
import type { Bridge } from './bridge-choice.ts';
import {
  BOOT_PATIENCE,
  CONFIG,
  COPY_PATIENCE,
  RUN,
  says,
  settingsAt,
  startGuest,
  startReadyGuest,
  uidOf,
  WORKSPACE,
} from './guest-start.ts';
import { VmNetwork } from './network.ts';
import { preparedMark } from './prepared-network.ts';
import { type GuestShape, SavedGuests } from './saved-guests.ts';
import { guestImages, writeConfigDisk } from './seat-disks.ts';
import { boundConsole, WORK } from './vm-process.ts';
import type { GuestLine, SavedGuest, Vmm } from './vmm.ts';
import { type PoolCounts, WarmPool } from './warm-pool.ts';

export interface MicrovmProviderOptions {
  readonly vmm: Vmm;
  /** With `vmlinux` and `initrd.cpio` of `clarateach microvm setup`, and `rootfs.ext4` of `clarateach rootfs build`. */
  readonly imagesDirectory: string;
  /** Where seats keep their disks; made when missing, private to root. */
  readonly stateDirectory: string;
  /** Tells this installation's network from another's on the same machine; the same at every start. */
  readonly installation: string;
  /** Undefined: the first `clarateach<n>` with a network that nobody on this machine uses. */
  readonly bridge?: Bridge;
  /** Size of a learner's disk; it is sparse, so only what is written takes up room. */
  readonly workspaceMiB?: number;
  /** Guests that are kept ready for new seats; 0 when left out. */
  readonly warmSeats?: number;
  /** Told, in a sentence for operators, what goes worse than it should. */
  readonly report?: (line: string) => void;
}

const MIB = 1024 * 1024;
const WORKSPACE_MIB = 4_096;
const CHANGES_MIB = 1_024;
/** A guest with Node.js and a shell does not come up in less. */
const LEAST_MEMORY_MIB = 256;
/** In the directory of a VM that was told all and runs. */
const STARTED = 'started';
const BOOT_TRIES = 3;
const LEAVE_MS = 10_000;
const AWAITED_MS = 30_000;
/** An address that no seat has: its names and its user are those of the guest that is saved. */
const NOBODY = '0.0.0.0';

/**
 * Seats as virtual machines of this machine. All that is known of a seat lies in its directory and
 * its address below `stateDirectory`, so a new process finds the seats that run. Throws a
 * {@link ProviderError} `rejected` when the images are missing or damaged, or this is not root.
 */
export async function microvmProvider(options: MicrovmProviderOptions): Promise<SeatProvider> {
  if (process.getuid?.() !== 0) {
    throw new ProviderError(
      'rejected',
      'MicroVM seats need root for their network; each VM itself runs as a user without rights. Start the server as root, or use the docker runtime.',
    );
  }
  await guestImages(options.imagesDirectory);
  const seats = new MicrovmSeats(options);
  await seats.adopt();
  return seats;
}

class MicrovmSeats implements SeatProvider {
  readonly info;
  readonly #options: MicrovmProviderOptions;
  readonly #vmm: Vmm;
  readonly #seats: string;
  readonly #addresses: Addresses;
  readonly #network: VmNetwork;
  readonly #turns = new Turnstiles();
  /** Boots at once: in software each takes a processor whole. */
  readonly #boots: Slots;
  readonly #starting = new Set<string>();
  /** Seats that were started and have not answered yet, with the time of that. */
  readonly #awaited = new Map<string, number>();
  readonly #report: (line: string) => void;
  /** Undefined where the VMM cannot save guests. */
  readonly #saved: SavedGuests | undefined;
  /** Undefined where guests are not copied. */
  readonly #warm: WarmPool | undefined;

  constructor(options: MicrovmProviderOptions) {
    const stateDirectory = resolve(options.stateDirectory);
    const { vmm, installation, bridge } = options;
    this.#options = options;
    this.#vmm = vmm;
    this.#seats = join(stateDirectory, 'seats');
    this.#addresses = new Addresses(join(stateDirectory, 'addresses'));
    const prepared = preparedMark(options.imagesDirectory);
    this.#network = new VmNetwork({
      ...{ installation, stateDirectory, bridge, prepared },
      report: (line) => this.#report(line),
      ...(vmm.hostRate === undefined ? {} : { rate: vmm.hostRate }),
    });
    this.#boots = new Slots(vmm.acceleration === 'kvm' ? 4 * availableParallelism() : availableParallelism());
    this.#report = options.report ?? (() => {});
    if (vmm.snapshots !== undefined) {
      this.#saved = new SavedGuests({
        ...{ vmm, snapshots: vmm.snapshots, imagesDirectory: options.imagesDirectory, stateDirectory },
        network: this.#network.seat(NOBODY),
        uid: uidOf(NOBODY),
        report: this.#report,
      });
      this.#warm = new WarmPool({
        ...{ vmm, saved: this.#saved, network: this.#network, addresses: this.#addresses, stateDirectory },
        start: ({ kind, ...guest }, signal) =>
          startReadyGuest({ ...guest, ...kind, vmm, network: this.#network }, signal),
        size: options.warmSeats ?? 0,
        isBusy: () => this.#starting.size > 0 || this.#isAwaited(),
        report: this.#report,
      });
    }
    const vmmName = vmm.name === 'firecracker' ? 'Firecracker' : 'QEMU';
    this.info = {
      name: 'firecracker',
      isolation: 'vm',
      note:
        vmm.acceleration === 'kvm'
          ? `Each seat is a virtual machine (${vmmName} on KVM) with a kernel of its own; fit for people you do not know.`
          : `Each seat is a virtual machine (${vmmName} in software, because this machine has no KVM that runs one): as isolated, but several times slower.`,
    } as const;
  }

  /** Takes over the network of seats that run. */
  async adopt(): Promise<void> {
    const running: string[] = [];
    for (const [address, name] of await this.#addresses.all()) {
      const { state } = await this.#vmm.state(join(this.#seats, name, 'run'));
      if (state === 'running') running.push(address);
    }
    this.#network.adopt(running);
    await this.#saved?.adopt();
    await this.#warm?.adopt();
    await this.#warm?.open((limits) => this.#blankShape(limits));
  }

  ensure(spec: SeatSpec, signal: AbortSignal): Promise<void> {
    return this.#change('start the seat', spec.id, signal, async () => {
      const name = seatName(spec.id);
      const run = this.#runDirectory(spec.id);
      this.#starting.add(name);
      try {
        if ((await this.#vmm.state(run)).state === 'running' && (await wasStarted(run))) {
          // Booted before this process, or by an ensure that was given up: it may hang.
          if (await this.#begins(run, signal)) return;
        }
        await this.#boots.run(() => this.#start(spec, signal));
        this.#awaited.set(name, performance.now());
      } finally {
        this.#starting.delete(name);
      }
    });
  }

  /** Whether somebody waits for a seat; one that has not answered after so long may never. */
  #isAwaited(): boolean {
    const now = performance.now();
    return [...this.#awaited.values()].some((since) => now - since < AWAITED_MS);
  }

  async #start(spec: SeatSpec, signal: AbortSignal): Promise<void> {
    const shape = await this.#shapeOf(spec);
    if (await this.#takeWarm(spec, shape, signal)) return;
    if (this.#saved !== undefined) {
      const copied = await this.#saved.use(
        shape,
        async (saved) =>
          saved !== undefined &&
          (await this.#isCopy(spec, { what: 'begins', signal }, () =>
            this.#startVm(spec, { shape, saved }, signal),
          )),
        signal,
      );
      if (copied) return;
    }
    for (let tries = 1; ; tries += 1) {
      signal.throwIfAborted();
      await this.#startVm(spec, { shape, saved: undefined }, signal);
      const run = this.#runDirectory(spec.id);
      if (await this.#begins(run, signal)) return;
      const state = await this.#vmm.state(run);
      // What ended by itself is the observer's to report.
      if (state.state === 'ended') return;
      if (tries >= BOOT_TRIES) {
        await this.#end(spec.id);
        throw new ProviderError(
          'unreachable',
          `The seat's virtual machine hung ${BOOT_TRIES} times while it started; it is tried again. Its files are safe.`,
        );
      }
    }
  }

  /** A guest that is ready becomes the seat's; false when there is none. */
  async #takeWarm(spec: SeatSpec, shape: GuestShape, signal: AbortSignal): Promise<boolean> {
    const directory = join(this.#seats, seatName(spec.id));
    // A seat that has been there has a disk and an address of its own.
    if (this.#warm === undefined || (await exists(directory))) return false;
    const warm = this.#warm;
    const address = await warm.take({ shape, limits: spec.limits });
    if (address === undefined) return false;
    const what = 'isTaken';
    let isGiven = false;
    try {
      return await this.#isCopy(spec, { what, signal }, async () => {
        await this.#addresses.release(spec.id);
        await mkdir(this.#seats, { recursive: true, mode: 0o700 });
        await warm.give(address, spec.id, directory);
        isGiven = true;
        await this.#writeConfig(spec, address, join(this.#runDirectory(spec.id), WORK, CONFIG));
        await this.#wake(spec.id);
      });
    } finally {
      // Before the seat is booted: it may have the address and the disk already.
      if (!isGiven) await warm.giveUp(address);
    }
  }

  #begins(run: string, signal: AbortSignal): Promise<boolean> {
    return says(this.#vmm, run, { what: 'begins', patience: BOOT_PATIENCE, signal });
  }

  /** Whether the work leads to a copy that goes on, as its console says; the seat is to be booted if not. */
  async #isCopy(
    spec: SeatSpec,
    { what, signal }: { what: GuestLine; signal: AbortSignal },
    work: () => Promise<void>,
  ): Promise<boolean> {
    const run = this.#runDirectory(spec.id);
    try {
      await work();
      if (await says(this.#vmm, run, { what, patience: COPY_PATIENCE, signal })) return true;
      const state = await this.#vmm.state(run);
      this.#report(
        `${seatName(spec.id)} is booted: its copy of the saved guest ${state.state === 'ended' ? `ended (${state.reason})` : 'did not go on'}`,
      );
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof ProviderError && error.kind !== 'unreachable') throw error;
      this.#report(
        `${seatName(spec.id)} is booted: the saved guest could not be copied (${(error as Error).message})`,
      );
    }
    return false;
  }

  async #shapeOf({ id, image, limits }: SeatSpec): Promise<GuestShape> {
    const workspace = await stat(join(this.#seats, seatName(id), WORKSPACE)).catch(() => undefined);
    const shape = await this.#blankShape(limits, image);
    // A learner's disk keeps the size that it was made with.
    return workspace === undefined ? shape : { ...shape, workspaceBytes: workspace.size };
  }

  async #blankShape(
    { memoryMiB, cpus }: { memoryMiB: number; cpus: number },
    image?: string,
  ): Promise<GuestShape> {
    return {
      images: await guestImages(this.#options.imagesDirectory, image),
      memoryMiB: Math.max(LEAST_MEMORY_MIB, memoryMiB),
      cpus: Math.max(1, Math.round(cpus)),
      changesBytes: CHANGES_MIB * MIB,
      workspaceBytes: (this.#options.workspaceMiB ?? WORKSPACE_MIB) * MIB,
    };
  }

  /** After: a VM runs for the seat, booted or as a copy of a saved guest. */
  async #startVm(
    spec: SeatSpec,
    { shape, saved }: { shape: GuestShape; saved: SavedGuest | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    const { id } = spec;
    const name = seatName(id);
    await this.#end(id);
    await mkdir(this.#seats, { recursive: true, mode: 0o700 });
    const bridge = await this.#network.bridge();
    const address = await this.#addresses.claim(id, bridge.network);
    await startGuest(
      {
        ...{ vmm: this.#vmm, network: this.#network, name, address, shape, saved },
        directory: join(this.#seats, name),
        writeConfig: (path) => this.#writeConfig(spec, address, path),
      },
      signal,
    );
    if (saved === undefined) await writeFile(join(this.#runDirectory(id), STARTED), '');
    else await this.#wake(id);
  }

  async #writeConfig(spec: SeatSpec, address: string, path: string): Promise<void> {
    await writeConfigDisk(path, { spec, ...(await settingsAt(this.#network, address)) });
  }

  async #wake(seat: SeatId): Promise<void> {
    const run = this.#runDirectory(seat);
    await this.#vmm.snapshots?.wake(run);
    await writeFile(join(run, STARTED), '');
  }

  stop(seat: SeatId, signal: AbortSignal): Promise<void> {
    return this.#change('stop the seat', seat, signal, async () => {
      const run = this.#runDirectory(seat);
      if ((await this.#vmm.state(run)).state === 'running') {
        // What the learner has written may still be in the guest's memory.
        await this.#vmm.leave(run, LEAVE_MS);
      }
      await this.#end(seat);
    });
  }

  destroy(seat: SeatId, signal: AbortSignal): Promise<void> {
    return this.#change('remove the seat', seat, signal, async () => {
      await this.#end(seat);
      await rm(join(this.#seats, seatName(seat)), { recursive: true, force: true });
      await this.#addresses.release(seat);
    });
  }

  /** After: nothing of the seat runs; its own disk and its address stay. */
  async #end(seat: SeatId): Promise<void> {
    this.#awaited.delete(seatName(seat));
    const run = this.#runDirectory(seat);
    await this.#vmm.kill(run);
    const address = await this.#addresses.of(seat);
    if (address !== undefined) await this.#network.detach(address);
    await rm(run, { recursive: true, force: true });
  }

  observe(seat: SeatId, signal: AbortSignal): Promise<Observed> {
    return explained('look at the seat', async (): Promise<Observed> => {
      signal.throwIfAborted();
      const state = await this.#vmm.state(this.#runDirectory(seat));
      const starting = this.#starting.has(seatName(seat));
      switch (state.state) {
        case 'absent':
          return starting ? { state: 'starting' } : { state: 'absent' };
        case 'ended':
          return starting ? { state: 'starting' } : { state: 'exited', code: 1, reason: state.reason };
        case 'running': {
          if (!starting && !(await wasStarted(this.#runDirectory(seat)))) {
            return { state: 'exited', code: 1, reason: 'the server ended while it started the seat' };
          }
          await boundConsole(this.#runDirectory(seat));
          void this.#network.keep();
          const host = await this.#addresses.of(seat);
          const answers = host !== undefined && (await answersHealth(host, signal));
          signal.throwIfAborted();
          if (answers) this.#awaited.delete(seatName(seat));
          return answers ? { state: 'running', endpoint: { kind: 'tcp', host } } : { state: 'starting' };
        }
      }
    });
  }

  list(signal: AbortSignal): Promise<readonly SeatId[]> {
    return explained('list the seats', async () => {
      signal.throwIfAborted();
      const found = new Map<string, SeatId>();
      const names = await readdir(this.#seats).catch((): string[] => []);
      const directories = names.map(parseSeatName).filter((seat) => seat !== undefined);
      for (const seat of [...directories, ...(await this.#addresses.owners())])
        found.set(seatName(seat), seat);
      return [...found.values()];
    });
  }

  ready(): PoolCounts {
    return this.#warm?.counts ?? { ready: 0, wanted: 0 };
  }

  async close(): Promise<void> {
    await this.#warm?.close();
    await this.#saved?.close();
  }

  /** Changes a seat, in its turn. */
  #change(doing: string, seat: SeatId, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    return this.#turns.pass(seatName(seat), () =>
      explained(doing, async () => {
        signal.throwIfAborted();
        try {
          await work();
        } catch (error) {
          signal.throwIfAborted();
          throw error;
        }
      }),
    );
  }

  #runDirectory(seat: SeatId): string {
    return join(this.#seats, seatName(seat), RUN);
  }
}

/** Whether whoever started the VM came to the end of it. */
const wasStarted = (run: string) => exists(join(run, STARTED));

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
