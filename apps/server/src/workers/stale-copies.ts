import { type SeatId, seatName } from '@clarateach/contract/ids';
import { Slots } from '@clarateach/seats/turnstile';
import type { Worker } from './worker.ts';

/** A copy that is not wanted must be seen in so many looks before it is destroyed: one may be older than the row. */
const STALE_LOOKS = 2;
/** A worker that comes back with a whole class is not asked for everything at once. */
const AT_ONCE = 4;
const DESTROY_MS = 60_000;
/** A copy that could not be destroyed is left alone for so long. */
const AGAIN_MS = 10_000;

/** Destroys what workers still hold of seats that live elsewhere, beside their heartbeat: none waits for it. */
export interface StaleCopies {
  /** Takes in which of the seats that the worker holds live elsewhere by the database. */
  heard(worker: Worker, seats: readonly SeatId[]): void;
  /** Resolves when nothing is being destroyed any more. */
  ended(): Promise<void>;
}

interface Copy {
  looks: number;
  destroying: boolean;
  failed: boolean;
  /** Milliseconds since the epoch. */
  nextAt: number;
}

export function createStaleCopies(deps: {
  /** Whether the seat lives on another worker; asked again right before a copy is destroyed. */
  readonly isElsewhere: (id: SeatId, worker: Worker) => Promise<boolean>;
  readonly now: () => number;
  readonly closing: AbortSignal;
  readonly onError: (error: unknown) => void;
}): StaleCopies {
  const { isElsewhere, now, closing, onError } = deps;
  const known = new Map<string, Map<string, Copy>>();
  const slots = new Map<string, Slots>();
  const underWay = new Set<Promise<void>>();

  const slotsOf = ({ address }: Worker): Slots => {
    const found = slots.get(address) ?? new Slots(AT_ONCE);
    slots.set(address, found);
    return found;
  };

  const destroy = async (worker: Worker, id: SeatId, copy: Copy): Promise<void> => {
    copy.destroying = true;
    try {
      await slotsOf(worker).run(async () => {
        if (closing.aborted || worker.state !== 'up' || !(await isElsewhere(id, worker))) return;
        const signal = AbortSignal.any([closing, AbortSignal.timeout(DESTROY_MS)]);
        await worker.call(signal, (ends) => worker.agent.destroy(id, ends));
      });
      copy.failed = false;
    } catch (error) {
      // Reported once for each copy, not with each try.
      if (!copy.failed && !closing.aborted && worker.state === 'up') onError(error);
      copy.failed = true;
      copy.nextAt = now() + AGAIN_MS;
    } finally {
      copy.destroying = false;
    }
  };

  return {
    heard(worker, seats) {
      const before = known.get(worker.address);
      const copies = new Map<string, Copy>();
      known.set(worker.address, copies);
      for (const id of seats) {
        const name = seatName(id);
        const copy = before?.get(name) ?? { looks: 0, destroying: false, failed: false, nextAt: 0 };
        copies.set(name, copy);
        copy.looks++;
        if (copy.looks < STALE_LOOKS || copy.destroying || now() < copy.nextAt || worker.state !== 'up')
          continue;
        const work = destroy(worker, id, copy);
        underWay.add(work);
        void work.then(() => underWay.delete(work));
      }
    },
    async ended() {
      await Promise.all(underWay);
    },
  };
}
