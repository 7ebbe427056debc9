import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SeatId } from '@clarateach/contract/ids';
import type { SeatLimits } from '../../provider.ts';
import type { Addresses } from './addresses.ts';
import { type GuestStart, RUN, WORKSPACE } from './guest-start.ts';
import type { VmNetwork } from './network.ts';
import type { GuestShape, SavedGuests } from './saved-guests.ts';
import type { ProgramLimits } from './seat-disks.ts';
import type { Vmm } from './vmm.ts';

/** Time, and what is to be done after some of it. */
export interface PoolClock {
  /** Milliseconds since any moment. */
  now(): number;
  /** Returns what calls it off. Nothing stays alive for it. */
  after(ms: number, work: () => void): () => void;
}

export interface WarmPoolOptions {
  readonly vmm: Pick<Vmm, 'state' | 'kill'>;
  readonly saved: Pick<SavedGuests, 'use'>;
  readonly network: Pick<VmNetwork, 'bridge' | 'seat' | 'detach'>;
  /** After: the guest waits for its seat, with the seat's programs started. */
  readonly start: (guest: PoolGuest, signal: AbortSignal) => Promise<void>;
  readonly addresses: Addresses;
  readonly stateDirectory: string;
  /** Guests that are kept ready. */
  readonly size: number;
  /** Nobody's guest is started while it says so: seats that somebody waits for come first. */
  readonly isBusy: () => boolean;
  readonly report: (line: string) => void;
  /** At most one guest is started in so long. */
  readonly refillEveryMs?: number;
  /** Without a new seat for so long, the guests end; the next seat has them come back. */
  readonly idleMs?: number;
  readonly clock?: PoolClock;
}

/** All that makes one guest that is ready differ from another. */
export interface GuestKind {
  readonly shape: GuestShape;
  readonly limits: ProgramLimits;
}

/** A copy that is to wait. */
export type PoolGuest = Omit<GuestStart, 'vmm' | 'network' | 'shape' | 'writeConfig'> & {
  readonly kind: GuestKind;
};

/** What a pool holds, and what it is to hold now: nothing while no seats are asked for. */
export interface PoolCounts {
  readonly ready: number;
  readonly wanted: number;
}

/** In place of a seat's name, at the address of a guest that is nobody's. */
const OWNER = 'warm';
/** The limits of the last seat that was asked for. */
const LAST_LIMITS = 'warm-limits.json';
const REFILL_EVERY_MS = 1_000;
const IDLE_MS = 1_800_000;
/** After a failure, such as a full machine. */
const RETRY_MS = 60_000;
const REAL_CLOCK: PoolClock = {
  now: () => performance.now(),
  after: (ms, work) => {
    const timer = setTimeout(work, ms).unref();
    return () => clearTimeout(timer);
  },
};

interface Member {
  readonly address: string;
  readonly kind: string;
}

/**
 * Copies of the saved guest that wait to become somebody's: each has an address, a tap, blank disks and
 * random numbers of its own, and keeps them when a seat takes it. Until then it is this pool's, and ends with it: with the process
 * that started it, or when the next one begins.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #directory: string;
  readonly #ready: Member[] = [];
  readonly #closing = new AbortController();
  #kind: GuestKind | undefined;
  readonly #clock: PoolClock;
  #askedAt = 0;
  #turn: Promise<void> = Promise.resolve();
  #working = false;
  #restUntil = 0;
  #next: { readonly at: number; readonly callOff: () => void } | undefined;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
    this.#clock = options.clock ?? REAL_CLOCK;
    this.#directory = join(options.stateDirectory, 'warm');
  }

  get counts(): PoolCounts {
    const asked = this.#kind !== undefined && !this.#isIdle();
    return { ready: this.#ready.length, wanted: asked ? this.#options.size : 0 };
  }

  /** Ends the guests of a process that was killed. */
  async adopt(): Promise<void> {
    const left = new Set(await readdir(this.#directory).catch((): string[] => []));
    for (const [address, owner] of await this.#options.addresses.all()) {
      if (owner === OWNER) left.add(address);
    }
    for (const address of left) await this.#end(address);
  }

  /** Begins to keep guests ready, of the kind that seats had the last time. */
  async open(shapeOf: (limits: SeatLimits) => Promise<GuestShape>): Promise<void> {
    if (this.#options.size === 0) return;
    try {
      const last = await readFile(join(this.#options.stateDirectory, LAST_LIMITS), 'utf8');
      const limits = JSON.parse(last) as SeatLimits;
      this.#kind = kindOf(await shapeOf(limits), limits);
      this.#asked();
    } catch {
      // The first seat says what kind is wanted.
    }
  }

  /** A ready guest of the shape and limits, out of the pool; undefined when there is none. Tells the pool what is wanted. */
  async take({ shape, limits }: { shape: GuestShape; limits: SeatLimits }): Promise<string | undefined> {
    const { size, stateDirectory, vmm } = this.#options;
    if (size === 0) return undefined;
    const kind = kindOf(shape, limits);
    const wanted = JSON.stringify(kind);
    if (JSON.stringify(this.#kind) !== wanted) {
      this.#kind = kind;
      await writeFile(join(stateDirectory, LAST_LIMITS), JSON.stringify(limits));
    }
    this.#asked();
    for (;;) {
      const at = this.#ready.findIndex((each) => each.kind === wanted);
      const [member] = at < 0 ? [] : this.#ready.splice(at, 1);
      if (member === undefined) return undefined;
      if ((await vmm.state(join(this.#directory, member.address, RUN))).state === 'running')
        return member.address;
      await this.#end(member.address);
    }
  }

  /**
   * After: the guest that was taken, its address and its disks are the seat's, in `directory`, where
   * nothing was. Cut short at any step, either the seat's directory and address have it, or the pool has:
   * to be ended by {@link giveUp}, or when the next pool begins.
   */
  async give(address: string, seat: SeatId, directory: string): Promise<void> {
    const from = join(this.#directory, address);
    await this.#options.addresses.give(address, seat);
    await mkdir(directory, { recursive: true });
    await rename(join(from, WORKSPACE), join(directory, WORKSPACE));
    await rename(join(from, RUN), join(directory, RUN));
    await rm(from, { recursive: true, force: true });
  }

  /** Ends a guest that was taken, and could not be given whole. What its seat has of it already stays the seat's. */
  giveUp(address: string): Promise<void> {
    return this.#end(address);
  }

  async close(): Promise<void> {
    this.#next?.callOff();
    this.#closing.abort(new Error('the server ends'));
    await this.#turn;
    for (const { address } of this.#ready.splice(0)) await this.#end(address);
  }

  #asked(): void {
    this.#askedAt = this.#clock.now();
    this.#later(this.#options.refillEveryMs ?? REFILL_EVERY_MS);
  }

  /** The next step is in so long, or before, but not soon after a failure; there is one at a time. */
  #later(ms: number): void {
    const now = this.#clock.now();
    const at = Math.max(now + ms, this.#restUntil);
    if (this.#closing.signal.aborted || this.#working || (this.#next && this.#next.at <= at)) return;
    this.#next?.callOff();
    const callOff = this.#clock.after(at - now, () => {
      this.#next = undefined;
      this.#working = true;
      this.#turn = this.#work()
        .catch((error: Error) => {
          if (!this.#closing.signal.aborted)
            this.#options.report(`No guest could be kept ready; it is tried again (${error.message})`);
          this.#restUntil = this.#clock.now() + RETRY_MS;
          return RETRY_MS;
        })
        .then((wait) => {
          this.#working = false;
          this.#later(wait);
        });
    });
    this.#next = { at, callOff };
  }

  #isIdle(): boolean {
    return this.#clock.now() - this.#askedAt > (this.#options.idleMs ?? IDLE_MS);
  }

  /** One step towards what is wanted; ms until the next. */
  async #work(): Promise<number> {
    const { size, isBusy, refillEveryMs = REFILL_EVERY_MS, idleMs = IDLE_MS } = this.#options;
    const wanted = JSON.stringify(this.#kind);
    const idle = this.#isIdle();
    const at = this.#ready.findIndex((each) => idle || each.kind !== wanted);
    if (at >= 0) {
      const [member] = this.#ready.splice(at, 1);
      if (member) await this.#end(member.address);
    } else if (!idle && this.#ready.length < size && !isBusy()) {
      await this.#add(this.#kind as GuestKind);
    } else if (this.#ready.length >= size || idle) {
      return idle ? idleMs : Math.min(idleMs, 60_000);
    }
    return refillEveryMs;
  }

  async #add(kind: GuestKind): Promise<void> {
    const { saved, addresses, network, start } = this.#options;
    const { signal } = this.#closing;
    await saved.use(
      kind.shape,
      async (guest) => {
        if (guest === undefined) throw new Error('no guest could be saved');
        const bridge = await network.bridge();
        const address = await addresses.claimFor(OWNER, bridge.network);
        try {
          await start(
            {
              ...{ address, kind, saved: guest },
              // A jail's name: no other VM of this machine has it.
              name: `clarateach-warm-${network.seat(address).port}`,
              directory: join(this.#directory, address),
            },
            signal,
          );
        } catch (error) {
          await this.#end(address);
          throw error;
        }
        this.#ready.push({ address, kind: JSON.stringify(kind) });
      },
      signal,
    );
  }

  async #end(address: string): Promise<void> {
    const { vmm, network, addresses } = this.#options;
    const directory = join(this.#directory, address);
    await vmm.kill(join(directory, RUN));
    const owner = (await addresses.all()).get(address);
    // One that was given away may be that of a seat that runs.
    if (owner === undefined || owner === OWNER) await network.detach(address);
    await rm(directory, { recursive: true, force: true });
    await addresses.releaseFrom(OWNER, address);
  }
}

function kindOf(shape: GuestShape, { processes, openFiles }: ProgramLimits): GuestKind {
  return { shape, limits: { processes, openFiles } };
}
