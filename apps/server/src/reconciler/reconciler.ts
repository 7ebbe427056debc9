import { type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import type { SeatProvider } from '@clarateach/seats/provider';
import type { Changes } from '../workshops/changes.ts';
import { limiter } from './limiter.ts';
import { removeOrphans } from './orphans.ts';
import { SeatLoop, type SeatLoopDeps } from './seat-loop.ts';
import {
  createSeatWrites,
  endExpired,
  forgetGone,
  holdLeases,
  releaseLeases,
  seatRevisions,
} from './store.ts';

const SUPERVISE_MS = 1_000;
const BETWEEN_ROUNDS_MS = 50;
const ORPHANS_MS = 30_000;
/** Seats of one provider that are made or removed at once: enough to keep its machine busy. */
const SEATS_AT_ONCE = 10;

export interface Reconciler {
  start(): void;
  /** Ends every loop, after the calls under way, and lets go of the leases. Seats stay as they are. */
  close(): Promise<void>;
}

export interface ReconcilerDeps
  extends Pick<SeatLoopDeps, 'database' | 'now' | 'spec' | 'onStep' | 'onError'> {
  readonly changes: Changes;
  /** Where orphans are looked for; may change. */
  readonly providers: ReadonlyMap<RuntimeName, SeatProvider>;
  /** Undefined for a runtime that this server will never have. */
  providerOf(runtime: RuntimeName): SeatProvider | undefined;
  /** A name for this process among the servers of one database. */
  readonly server: string;
  onSuperviseError(error: unknown): void;
}

/**
 * Makes what is seen into what is wanted, for all workshops that no other server holds. Nothing else
 * creates or destroys a seat.
 */
export function createReconciler(deps: ReconcilerDeps): Reconciler {
  const { database, changes, server, now } = deps;
  const loops = new Map<string, SeatLoop>();
  const limits = new Map<SeatProvider, ReturnType<typeof limiter>>();
  const closing = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let supervising: Promise<void> = Promise.resolve();
  let queued = false;
  let endedAt = 0;
  let orphansDue = 0;
  let removingOrphans: Promise<void> | undefined;
  const removing = new Set<string>();

  const loopDeps: SeatLoopDeps = {
    ...deps,
    rows: createSeatWrites(database),
    provider: ({ workshop }) => deps.providerOf(workshop.runtime),
    limited(provider, work) {
      const limit = limits.get(provider) ?? limiter(SEATS_AT_ONCE);
      limits.set(provider, limit);
      return limit(work);
    },
    changed: ({ workshop }) => changes.notify(workshop),
  };

  const supervise = async () => {
    for (const id of await endExpired(database, now())) changes.notify(id);
    const held = await holdLeases(database, server, now());
    await tendLoops(held);
    for (const id of await forgetGone(database)) changes.notify(id);
    tendOrphans();
  };

  /** Beside the rounds: a removal may take as long as a machine does, and leases run out. */
  const tendOrphans = () => {
    if (removingOrphans || now() < orphansDue) return;
    orphansDue = now() + ORPHANS_MS;
    removingOrphans = removeOrphans({ ...deps, removing }, closing.signal)
      .catch((error: unknown) => {
        if (!closing.signal.aborted) deps.onSuperviseError(error);
      })
      .finally(() => {
        removingOrphans = undefined;
      });
  };

  const tendLoops = async (held: readonly WorkshopId[]) => {
    const rows = await seatRevisions(database, held);
    const wanted = new Set(rows.map(keyOf));
    for (const row of rows) {
      const loop = loops.get(keyOf(row));
      if (!loop || loop.ended) {
        if (closing.signal.aborted) return;
        const id: SeatId = { workshop: row.workshopId, seat: row.seat };
        // Never two changes of one seat at a time; the next round finds it again.
        if (!removing.has(seatName(id))) loops.set(keyOf(row), new SeatLoop(id, loopDeps));
      } else if (row.revision > loop.knownRevision) {
        loop.wake();
      }
    }
    for (const [key, loop] of loops) {
      if (wanted.has(key)) continue;
      // It keeps its place until its last call has ended, so that a seat never has two loops.
      loop
        .close()
        .then(() => loops.delete(key))
        .catch(deps.onSuperviseError);
    }
  };

  /** One round at a time, and not right after the last: changes come in bursts, and a round sees them all. */
  const round = () => {
    if (queued || closing.signal.aborted) return;
    queued = true;
    clearTimeout(timer);
    timer = setTimeout(run, Math.max(0, endedAt + BETWEEN_ROUNDS_MS - performance.now()));
  };
  const run = () => {
    supervising = supervising.then(async () => {
      queued = false;
      if (closing.signal.aborted) return;
      try {
        await supervise();
      } catch (error) {
        if (!closing.signal.aborted) deps.onSuperviseError(error);
      }
      endedAt = performance.now();
      if (!queued && !closing.signal.aborted) timer = setTimeout(round, SUPERVISE_MS);
    });
  };

  let unsubscribe = () => {};
  return {
    start() {
      unsubscribe = changes.subscribe(round);
      round();
    },
    async close() {
      closing.abort();
      unsubscribe();
      clearTimeout(timer);
      await supervising;
      await removingOrphans;
      await Promise.all([...loops.values()].map((loop) => loop.close()));
      loops.clear();
      // Without a database the leases run out by themselves.
      await releaseLeases(database, server).catch(deps.onSuperviseError);
    },
  };
}

function keyOf({ workshopId, seat }: { workshopId: WorkshopId; seat: number }): string {
  return `${workshopId}/${seat}`;
}
