import { randomInt } from 'node:crypto';
import { randomCode } from '@clarateach/contract/codes';
import { PublicError } from '@clarateach/contract/errors';
import type { AdminOverview } from '@clarateach/contract/health';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import {
  type CreateWorkshopBody,
  DEFAULT_TTL_MINUTES,
  MAX_TTL_MINUTES,
  type Removal,
  type WorkshopDetails,
  type WorkshopSummary,
} from '@clarateach/contract/workshop';
import type { Revocation } from '@clarateach/gateway/revocation-list';
import type { Transaction } from 'kysely';
import { letBack, removeLearner } from '../removal/removal.ts';
import { type Database, isUniqueViolation } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { mayRun, noSuchWorkshop, ownAndShared, requireOwner } from './access.ts';
import type { Changes } from './changes.ts';
import { followWorkshop, type NumberedEvent } from './events.ts';
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

export const JOIN_CODE_LENGTH = 6;
const CODE_TRIES = 5;
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

  const startedNow = (ttlMinutes: number) => ({
    startedAt: now(),
    endsAt: now() + ttlMinutes * MINUTE_MS,
  });

  const chooseRuntime = (wanted: RuntimeName | undefined): RuntimeName => {
    const runtimes = deps.runtimes();
    const [best] = runtimes;
    if (wanted === undefined && best !== undefined) return best;
    if (wanted !== undefined && runtimes.includes(wanted)) return wanted;
    throw new PublicError(
      'invalid_input',
      `This server has no ${wanted ?? ''} runtime. It can run: ${runtimes.join(', ')}.`,
      { field: 'runtime' },
    );
  };

  const insert = async (owner: string, input: CreateWorkshopBody, code: string): Promise<WorkshopId> => {
    const id = newWorkshopId();
    const start = input.start === true;
    const ttlMinutes = input.ttlMinutes ?? DEFAULT_TTL_MINUTES;
    const workshop: WorkshopRow = {
      id,
      code,
      name: input.name,
      ownerId: owner,
      runtime: chooseRuntime(input.runtime),
      image: input.image ?? null,
      apiKeySealed: input.apiKey === undefined ? null : deps.seal(input.apiKey),
      injectApiKey: input.apiKey !== undefined && input.injectApiKey === true ? 1 : 0,
      entry: input.entry ?? 'open',
      registrationCap: input.registrationCap ?? null,
      questions: JSON.stringify(input.questions ?? []),
      seatCount: input.seats,
      ttlMinutes,
      wanted: start ? 'running' : 'stopped',
      createdAt: now(),
      ...(start ? startedNow(ttlMinutes) : { startedAt: null, endsAt: null }),
      revision: 1,
      leaseHolder: null,
      leaseUntil: null,
    };
    await database.transaction(async (trx) => {
      await trx.insertInto('workshops').values(workshop).execute();
      if (start) await startSeats(trx, workshop);
    });
    return id;
  };

  const create = async (owner: string, input: CreateWorkshopBody): Promise<WorkshopId> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await insert(owner, input, input.code ?? randomCode(JOIN_CODE_LENGTH));
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        if (input.code !== undefined) {
          throw new PublicError(
            'code_taken',
            `The join code ${input.code} belongs to another workshop. Choose another, or leave it out.`,
            { field: 'code', cause: error },
          );
        }
        if (attempt === CODE_TRIES) throw error;
      }
    }
  };

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
      const id = await create(owner, input);
      changes.notify(id);
      return views.details(await own(owner, id));
    },

    show: async (owner, id) => views.details(await own(owner, id)),

    start: (owner, id) =>
      change(owner, id, async (trx, workshop) => {
        if (workshop.wanted === 'gone') throw beingDeleted(workshop);
        if (workshop.wanted === 'stopped') {
          await set(trx, id, { wanted: 'running', ...startedNow(workshop.ttlMinutes) });
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
      const rows = await database.db
        .selectFrom('removals')
        .select(['id', 'name', 'seat', 'removedAt'])
        .where('workshopId', '=', id)
        .orderBy('removedAt', 'desc')
        .orderBy('id')
        .execute();
      return rows.map(({ removedAt, ...row }) => ({ ...row, removedAt: new Date(removedAt).toISOString() }));
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

    async overview() {
      const states = await loadWorkshops(database, await workshopIds(database));
      const all = states.map((state) => views.details(state));
      const running = states.filter(({ workshop }) => workshop.wanted === 'running');
      const seats = all.flatMap((details) => details.seats);
      return {
        workshops: states.length,
        runningWorkshops: running.length,
        seats: {
          wanted: running.reduce((sum, { workshop }) => sum + workshop.seatCount, 0),
          ready: seats.filter((seat) => seat.phase === 'ready').length,
          occupied: seats.filter((seat) => seat.phase === 'occupied').length,
          failed: seats.filter((seat) => seat.phase === 'failed').length,
          lost: seats.filter((seat) => seat.phase === 'lost').length,
        },
      };
    },
  };
}

const ID_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

function newWorkshopId(): WorkshopId {
  const letters = Array.from({ length: 8 }, () => ID_LETTERS[randomInt(ID_LETTERS.length)]);
  return `ws-${letters.join('')}` as WorkshopId;
}

function notRunning({ name, wanted }: WorkshopRow): PublicError {
  return wanted === 'gone'
    ? beingDeleted({ name })
    : new PublicError('workshop_not_running', `"${name}" is not running. Start it first.`);
}

function beingDeleted({ name }: Pick<WorkshopRow, 'name'>): PublicError {
  return new PublicError('conflict', `"${name}" is being deleted.`);
}
