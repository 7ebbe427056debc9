import { lchown, mkdir, readdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseSeatName, type SeatId, seatName } from '@clarateach/contract/ids';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '../../provider.ts';
import { Slots, Turnstiles } from '../../turnstile.ts';
import { answersHealth } from '../docker/seat-health.ts';
import { explained } from '../local/machine-errors.ts';
import { Addresses } from './addresses.ts';
import { type Bridge, VmNetwork } from './network.ts';
import { preparedMark } from './prepared-network.ts';
import { ensureWorkspaceDisk, guestImages, makeChangesDisk, writeConfigDisk } from './seat-disks.ts';
import { WORK } from './vm-process.ts';
import type { Vmm } from './vmm.ts';

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
}

const WORKSPACE_MIB = 4_096;
const CHANGES_MIB = 1_024;
/** A guest with Node.js and a shell does not come up in less. */
const LEAST_MEMORY_MIB = 256;
/** Longer than this no guest takes to its first line, unless it hangs or the machine is overrun. */
const BOOT_WATCH_MS = 20_000;
/** A guest that has had so little processor time is held up by others, and does not hang. */
const BOOT_WATCH_CPU_S = 10;
const BOOT_LIMIT_MS = 90_000;
const BOOT_TRIES = 3;
const LEAVE_MS = 10_000;
/** VMs run as users of their own, one for each address, beyond those that systems hand out. */
const FIRST_UID = 1_900_000_000;

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

  constructor(options: MicrovmProviderOptions) {
    const stateDirectory = resolve(options.stateDirectory);
    const { vmm, installation, bridge } = options;
    this.#options = options;
    this.#vmm = vmm;
    this.#seats = join(stateDirectory, 'seats');
    this.#addresses = new Addresses(join(stateDirectory, 'addresses'));
    const prepared = preparedMark(options.imagesDirectory);
    this.#network = new VmNetwork({ installation, stateDirectory, bridge, prepared });
    this.#boots = new Slots(vmm.acceleration === 'kvm' ? 4 * availableParallelism() : availableParallelism());
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
  }

  ensure(spec: SeatSpec, signal: AbortSignal): Promise<void> {
    return this.#change('start the seat', spec.id, signal, async () => {
      const name = seatName(spec.id);
      const run = this.#runDirectory(spec.id);
      this.#starting.add(name);
      try {
        if ((await this.#vmm.state(run)).state === 'running') {
          // Booted before this process, or by an ensure that was given up: it may hang.
          if (await this.#begins(run, signal)) return;
        }
        await this.#boots.run(() => this.#start(spec, signal));
      } finally {
        this.#starting.delete(name);
      }
    });
  }

  async #start(spec: SeatSpec, signal: AbortSignal): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      signal.throwIfAborted();
      const run = await this.#boot(spec, signal);
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

  /** After: a VM runs for the seat, in the directory that is returned. */
  async #boot(spec: SeatSpec, signal: AbortSignal): Promise<string> {
    const { id } = spec;
    const name = seatName(id);
    const images = await guestImages(this.#options.imagesDirectory, spec.image);
    await this.#end(id);
    await mkdir(this.#seats, { recursive: true, mode: 0o700 });
    const directory = join(this.#seats, name);
    await mkdir(directory, { recursive: true });
    const bridge = await this.#network.bridge();
    const address = await this.#addresses.claim(id, bridge.network);
    const uid = uidOf(address);
    const run = this.#runDirectory(id);
    const work = join(run, WORK);
    await mkdir(work, { recursive: true });
    const workspace = join(directory, 'workspace.ext4');
    await Promise.all([
      ensureWorkspaceDisk(workspace, { mib: this.#options.workspaceMiB ?? WORKSPACE_MIB, uid }),
      makeChangesDisk(join(work, 'changes.ext4'), CHANGES_MIB),
      writeConfigDisk(join(work, 'config'), { spec, resolvers: await this.#network.resolvers() }),
    ]);
    for (const part of ['changes.ext4', 'config', '.']) await lchown(join(work, part), uid, uid);
    signal.throwIfAborted();
    const { tap, mac } = await this.#network.attach(address, uid);
    await this.#vmm.start(
      {
        name,
        directory: run,
        kernel: images.kernel,
        initrd: images.initrd,
        parameters: {
          SEAT_ADDRESS: `${address}/${bridge.network.prefix}`,
          SEAT_GATEWAY: bridge.network.address,
          SEAT_HOSTNAME: `seat-${String(id.seat).padStart(2, '0')}`,
          SEAT_TIME: `${Math.floor(Date.now() / 1000)}`,
        },
        memoryMiB: Math.max(LEAST_MEMORY_MIB, spec.limits.memoryMiB),
        cpus: spec.limits.cpus,
        disks: [
          { id: 'root', path: images.rootfs, readOnly: true },
          { id: 'changes', path: 'changes.ext4', readOnly: false },
          { id: 'workspace', path: workspace, readOnly: false },
          { id: 'config', path: 'config', readOnly: true },
        ],
        network: { tap, mac },
        uid,
      },
      signal,
    );
    return run;
  }

  /** Waits for the guest's init; false when the guest has ended or hangs, as some do in software. */
  async #begins(run: string, signal: AbortSignal): Promise<boolean> {
    const began = performance.now();
    while (!(await this.#vmm.hasBegun(run))) {
      signal.throwIfAborted();
      if ((await this.#vmm.state(run)).state !== 'running') return this.#vmm.hasBegun(run);
      const waited = performance.now() - began;
      if (waited > BOOT_LIMIT_MS) return false;
      if (waited > BOOT_WATCH_MS && (await this.#vmm.processorSeconds(run)) > BOOT_WATCH_CPU_S) return false;
      await pause(20);
    }
    return true;
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
          // A failure shows in the next start, and is tried again at the next look.
          this.#network.keep().catch(() => {});
          const host = await this.#addresses.of(seat);
          const answers = host !== undefined && (await answersHealth(host, signal));
          signal.throwIfAborted();
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

  async close(): Promise<void> {}

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
    return join(this.#seats, seatName(seat), 'run');
  }
}

function uidOf(address: string): number {
  const [, , high = 0, low = 0] = address.split('.').map(Number);
  return FIRST_UID + high * 256 + low;
}
