import { PublicError } from '@clarateach/contract/errors';
import type { AdminOverview } from '@clarateach/contract/health';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import {
  type CreateWorkshopBody,
  MAX_TTL_MINUTES,
  type Removal,
  type WorkshopDetails,
  type WorkshopSummary,
} from '@clarateach/contract/workshop';
import type { Revocation } from '@clarateach/gateway/revocation-list';
import type { Transaction } from 'kysely';
import { letBack, removalsOf, removeLearner } from '../removal/removal.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { mayRun, noSuchWorkshop, ownAndShared, requireOwner } from './access.ts';
import type { Changes } from './changes.ts';
import { followWorkshop, type NumberedEvent } from './events.ts';
import { makeWorkshop, startedAt } from './make-workshop.ts';
import { overviewOf } from './overview.ts';
import {
  FRESH_SEAT,
  loadWorkshop,
  loadWorkshops,
  nextRevision,
  releaseSeats,
  startSeats,
  type WorkshopRow,
  type WorkshopState,
  workshopIds,
} from './store.ts';
import type { Views } from './view.ts';

const MINUTE_MS = 60_000;

/**
 * What instructors do with workshops. Every verb changes what is wanted and returns at once; the
 * reconciler makes it so. `owner` is whoever asks: the owner, a co-instructor or an admin; to everybody
 * else the workshop is `not_found`.
 */
export interface Workshops {
  /** Own ones and those they are co-instructor of; `all` is for admins, and the caller sees to that. */
  list(owner: string, scope?: 'own' | 'all'): Promise<WorkshopSummary[]>;
  create(owner: string, input: CreateWorkshopBody): Promise<WorkshopDetails>;
  show(owner: string, id: WorkshopId): Promise<WorkshopDetails>;
  /** Also tries anew the seats that were given up. */
  start(owner: string, id: WorkshopId): Promise<WorkshopDetails>;
  stop(owner: string, id: WorkshopId): Promise<WorkshopDetails>;
  extend(owner: string, id: WorkshopId, minutes: number): Promise<WorkshopDetails>;
  delete(owner: string, id: WorkshopId): Promise<void>;
  restartSeat(owner: string, id: WorkshopId, seat: number): Promise<WorkshopDetails>;
  resetSeat(owner: string, id: WorkshopId, seat: number): Promise<WorkshopDetails>;
  /**
   * Takes the learner out of the seat and keeps them out; the seat is reset and free again. Every
   * verifier of this server refuses their tokens when this returns. Throws `conflict` for a free seat.
   */
  removeLearner(owner: string, id: WorkshopId, seat: number): Promise<WorkshopDetails>;
  /** Who was removed, the last one first. */
  removals(owner: string, id: WorkshopId): Promise<Removal[]>;
  /** Undoes a removal: the learner may join again. Throws `not_found` when nobody is removed by that id. */
  letBack(owner: string, id: WorkshopId, removalId: string): Promise<void>;
  /** Resolves once no seat is on its way any more: all usable, some failed, or stopped meanwhile. */
  settled(owner: string, id: WorkshopId, signal: AbortSignal): Promise<WorkshopDetails>;
  events(
    owner: string,
    id: WorkshopId,
    after: number | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<NumberedEvent, void>;
  overview(): Promise<Omit<AdminOverview, 'health' | 'connections'>>;
}

export function createWorkshops(deps: {
  database: Database;
  changes: Changes;
  views: Views;
  now: () => number;
  seal: (apiKey: string) => string;
  /** The runtimes of this server, the default first. */
  runtimes: () => readonly RuntimeName[];
  /** Told before the seat is emptied, so that connections end with the reason and not with the seat. */
  onRevoked: (revocation: Revocation) => void;
}): Workshops {
  const { database, changes, views, now } = deps;

  const own = async (owner: string, id: WorkshopId): Promise<WorkshopState> => {
    const state = await loadWorkshop(database, id);
    if (!state || !(await mayRun(database.db, owner, state.workshop))) throw noSuchWorkshop(id);
    return state;
  };

  /** One change of an own workshop, at a new revision, told to everybody who follows it. */
  const change = async (
    owner: string,
    id: WorkshopId,
    work: (trx: Transaction<Schema>, workshop: WorkshopRow) => Promise<void>,
  ): Promise<WorkshopDetails> => {
    await database.transaction(async (trx) => {
      const workshop = await nextRevision(trx, id);
      if (!workshop || !(await mayRun(trx, owner, workshop))) throw noSuchWorkshop(id);
      await work(trx, workshop);
    });
    changes.notify(id);
    return views.details(await own(owner, id));
  };

  const set = (trx: Transaction<Schema>, id: WorkshopId, values: Partial<WorkshopRow>) =>
    trx.updateTable('workshops').set(values).where('id', '=', id).execute();

  const again = (wanted: 'restart' | 'reset') => (owner: string, id: WorkshopId, seat: number) =>
    change(owner, id, async (trx, workshop) => {
      if (workshop.wanted !== 'running') throw notRunning(workshop);
      const { numUpdatedRows } = await trx
        .updateTable('seats')
        .set({ ...FRESH_SEAT, wanted, revision: workshop.revision })
        .where('workshopId', '=', id)
        .where('seat', '=', seat)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) {
        throw new PublicError(
          'not_found',
          `The workshop has no seat ${seat}; its seats are 1 to ${workshop.seatCount}.`,
        );
      }
    });

  return {
    async list(owner, scope = 'own') {
      const ids = scope === 'all' ? await workshopIds(database) : await ownAndShared(database, owner);
      const states = new Map((await loadWorkshops(database, ids)).map((state) => [state.workshop.id, state]));
      return ids.flatMap((id) => {
        const state = states.get(id);
        return state ? [views.summary(state)] : [];
      });
    },

    async create(owner, input) {
      const id = await makeWorkshop(deps, owner, input);
      changes.notify(id);
      return views.details(await own(owner, id));
    },

    show: async (owner, id) => views.details(await own(owner, id)),

    start: (owner, id) =>
      change(owner, id, async (trx, workshop) => {
        if (workshop.wanted === 'gone') throw beingDeleted(workshop);
        if (workshop.wanted === 'stopped') {
          await set(trx, id, { wanted: 'running', ...startedAt(now(), workshop.ttlMinutes) });
        }
        await startSeats(trx, workshop);
      }),

    stop: (owner, id) =>
      change(owner, id, async (trx, workshop) => {
        if (workshop.wanted === 'running') await set(trx, id, { wanted: 'stopped', endsAt: null });
        await releaseSeats(trx, workshop);
      }),

    extend: (owner, id, minutes) =>
      change(owner, id, async (trx, workshop) => {
        if (workshop.wanted !== 'running' || workshop.endsAt === null) throw notRunning(workshop);
        const endsAt = workshop.endsAt + minutes * MINUTE_MS;
        if (endsAt > now() + MAX_TTL_MINUTES * MINUTE_MS) {
          throw new PublicError('invalid_input', 'A workshop can last at most 7 days from now.', {
            field: 'minutes',
          });
        }
        await set(trx, id, { endsAt });
      }),

    async delete(owner, id) {
      await database.transaction(async (trx) => {
        const workshop = await nextRevision(trx, id);
        if (!workshop || !(await mayRun(trx, owner, workshop))) throw noSuchWorkshop(id);
        await requireOwner(trx, owner, workshop);
        await set(trx, id, { wanted: 'gone', endsAt: null });
        await releaseSeats(trx, workshop);
      });
      changes.notify(id);
    },

    restartSeat: again('restart'),
    resetSeat: again('reset'),

    async removeLearner(owner, id, seat) {
      const revocation = await database.transaction(async (trx) => {
        const workshop = await nextRevision(trx, id);
        if (!workshop || !(await mayRun(trx, owner, workshop))) throw noSuchWorkshop(id);
        return removeLearner(trx, { database, workshop, seat, now: now() });
      });
      deps.onRevoked(revocation);
      changes.notify(id);
      return views.details(await own(owner, id));
    },

    async removals(owner, id) {
      await own(owner, id);
      return removalsOf(database.db, id);
    },

    async letBack(owner, id, removalId) {
      await change(owner, id, (trx) => letBack(trx, id, removalId));
    },

    async settled(owner, id, signal) {
      await own(owner, id);
      for await (const { event } of followWorkshop(deps, id, undefined, signal)) {
        if (event.type === 'deleted') break;
        if (event.type === 'workshop' && event.workshop.phase !== 'starting') break;
      }
      signal.throwIfAborted();
      return views.details(await own(owner, id));
    },

    async *events(owner, id, after, signal) {
      await own(owner, id);
      yield* followWorkshop(deps, id, after, signal);
    },

    overview: async () => overviewOf(await loadWorkshops(database, await workshopIds(database)), views),
  };
}

function notRunning({ name, wanted }: WorkshopRow): PublicError {
  return wanted === 'gone'
    ? beingDeleted({ name })
    : new PublicError('workshop_not_running', `"${name}" is not running. Start it first.`);
}

function beingDeleted({ name }: Pick<WorkshopRow, 'name'>): PublicError {
  return new PublicError('conflict', `"${name}" is being deleted.`);
}
