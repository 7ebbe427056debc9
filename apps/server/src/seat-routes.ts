import type { SeatId, WorkshopId } from '@clarateach/contract/ids';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';
import type { SeatRoute, SeatRoutes } from '@clarateach/gateway/ports';
import { observedOf } from './reconciler/situation.ts';
import type { Database } from './store/database.ts';
import type { Changes } from './workshops/changes.ts';
import { loadWorkshop, type SeatRow, type WorkshopState, workshopIds } from './workshops/store.ts';

/**
 * The gateway's routes: the database's word on who holds which seat and where it runs, kept in
 * memory so that traffic goes on while the database is away.
 */
export interface DatabaseSeatRoutes extends SeatRoutes {
  /** Loads every workshop; call once before traffic is let in. */
  load(): Promise<void>;
  close(): Promise<void>;
}

export function createSeatRoutes(deps: {
  database: Database;
  changes: Changes;
  onError: (error: unknown) => void;
}): DatabaseSeatRoutes {
  const { database, changes } = deps;
  const routes = new Map<WorkshopId, ReadonlyMap<number, SeatRoute>>();
  const listeners = new Set<(id: SeatId) => void>();
  const loading = new Map<WorkshopId, Promise<void>>();
  const stale = new Set<WorkshopId>();

  const find = ({ workshop, seat }: SeatId) => routes.get(workshop)?.get(seat);

  const reload = async (id: WorkshopId) => {
    const state = await loadWorkshop(database, id);
    const before = routes.get(id) ?? new Map<number, SeatRoute>();
    const after = state ? routesOf(state) : new Map<number, SeatRoute>();
    if (state) routes.set(id, after);
    else routes.delete(id);
    for (const seat of new Set([...before.keys(), ...after.keys()])) {
      if (sameRoute(before.get(seat), after.get(seat))) continue;
      for (const listener of listeners) listener({ workshop: id, seat });
    }
  };

  /** One look at a time for each workshop; a change that comes during a look causes one more. */
  const load = (id: WorkshopId): Promise<void> => {
    const current = loading.get(id);
    if (current) {
      stale.add(id);
      return current;
    }
    const run = (async () => {
      do {
        stale.delete(id);
        await reload(id);
      } while (stale.has(id));
    })().finally(() => loading.delete(id));
    loading.set(id, run);
    return run;
  };

  const unsubscribe = changes.subscribe((id) => {
    load(id).catch(deps.onError);
  });

  return {
    find,
    async refresh(id) {
      await load(id.workshop);
      return find(id);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async load() {
      for (const id of await workshopIds(database)) await load(id);
    },
    async close() {
      unsubscribe();
      await Promise.allSettled(loading.values());
    },
  };
}

function routesOf({ workshop, seats, sessions }: WorkshopState): ReadonlyMap<number, SeatRoute> {
  const holders = new Map(sessions.map((session) => [session.seat, session.odehash]));
  return new Map(
    seats.map((row): [number, SeatRoute] => [
      row.seat,
      {
        id: { workshop: workshop.id, seat: row.seat },
        // Only a seat that is wanted as it is: one about to be stopped or emptied takes nobody in.
        endpoint: row.wanted === 'running' ? endpointOf(row) : undefined,
        holder: holders.get(row.seat),
      },
    ]),
  );
}

function endpointOf(row: SeatRow): SeatEndpoint | undefined {
  const seen = observedOf(row);
  return seen.state === 'running' ? seen.endpoint : undefined;
}

function sameRoute(one: SeatRoute | undefined, other: SeatRoute | undefined): boolean {
  return one?.holder === other?.holder && JSON.stringify(one?.endpoint) === JSON.stringify(other?.endpoint);
}
