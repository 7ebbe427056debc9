import { PublicError } from '@clarateach/contract/errors';
import { normalizeCode, type Odehash, type SeatId, type WorkshopId } from '@clarateach/contract/ids';
import type { JoinBody, JoinInfo } from '@clarateach/contract/join';
import { phaseOfSeat } from '../reconciler/situation.ts';
import { removedAmong, removedByInstructor } from '../removal/removal.ts';
import type { Database } from '../store/database.ts';
import type { Changes } from '../workshops/changes.ts';
import { loadWorkshop, type WorkshopState } from '../workshops/store.ts';
import { batchLanes } from './batch-lanes.ts';
import { type ClaimRequest, claimSeats } from './claims.ts';

/** A learner's place. */
export interface Claim {
  readonly workshop: { readonly id: WorkshopId; readonly name: string };
  readonly seat: number;
  readonly odehash: Odehash;
  readonly name: string;
  /** Whether the learner had this seat before. */
  readonly returning: boolean;
}

export interface Join {
  /** Throws `unknown_code`, `workshop_full`, `workshop_not_running` or `removed`. */
  join(input: JoinBody): Promise<Claim>;
  info(code: string): Promise<JoinInfo>;
  /**
   * The claim behind a token that is to be renewed. Throws `workshop_not_running` once the workshop has
   * stopped, and `removed` where it runs and the learner holds no seat in it any more.
   */
  claimOf(workshop: WorkshopId, odehash: Odehash): Promise<Claim>;
}

/** Claims in one transaction; more wait for the next. Far below the databases' limits on parameters. */
const MAX_BATCH = 200;
const SOON_SECONDS = 3;

export function createJoin(deps: {
  database: Database;
  changes: Changes;
  now: () => number;
  /** The return code of the next learner of a free seat; made up where there is none. */
  nextOdehash?: (id: SeatId) => Odehash | undefined;
}): Join {
  const { database, changes } = deps;

  const findByCode = async (code: string) => {
    const row = await database.db
      .selectFrom('workshops')
      .select(['id', 'name'])
      .where('code', '=', normalizeCode(code))
      .executeTakeFirst();
    if (!row) {
      throw new PublicError('unknown_code', 'No workshop has this code. Check it with your instructor.');
    }
    return row;
  };

  // All that wait with one code are claimed in one transaction: one sync to disk for a whole class.
  const claim = batchLanes<string, ClaimRequest, Claim | 'no_free_seat' | 'removed'>({
    maxBatch: MAX_BATCH,
    async run(code, requests) {
      const { id, name } = await findByCode(code);
      const { workshop, outcomes } = await database.transaction((trx) =>
        claimSeats(trx, {
          database,
          workshopId: id,
          requests,
          now: deps.now(),
          nextOdehash: (seat) => deps.nextOdehash?.({ workshop: id, seat }),
        }),
      );
      if (workshop?.wanted !== 'running') throw notRunning(workshop?.name);
      if (outcomes.some(({ outcome }) => outcome === 'claimed')) changes.notify(id);
      return outcomes.map((result) =>
        result.outcome !== 'claimed'
          ? result.outcome
          : {
              workshop: { id, name },
              seat: result.session.seat,
              odehash: result.session.odehash,
              name: result.session.name,
              returning: result.returning,
            },
      );
    },
  });

  return {
    async join({ code, name, odehash }) {
      const outcome = await claim(normalizeCode(code), { name, odehash });
      if (outcome === 'removed') throw removedByInstructor((await findByCode(code)).name);
      if (outcome === 'no_free_seat') throw await noFreeSeat(database, await findByCode(code));
      return outcome;
    },

    async info(code) {
      const { id, name } = await findByCode(code);
      const state = await loadWorkshop(database, id);
      const { free, pending, total } = countSeats(state);
      const running = state?.workshop.wanted === 'running';
      return {
        workshop: { id, name },
        state: !running ? 'stopped' : free > 0 ? 'open' : pending > 0 ? 'starting' : 'full',
        seats: total,
        freeSeats: running ? free : 0,
      };
    },

    async claimOf(workshopId, odehash) {
      const row = await database.db
        .selectFrom('workshops')
        .leftJoin('sessions', (join) =>
          join.onRef('sessions.workshopId', '=', 'workshops.id').on('sessions.odehash', '=', odehash),
        )
        .select(['workshops.wanted', 'workshops.name as workshopName', 'sessions.seat', 'sessions.name'])
        .where('workshops.id', '=', workshopId)
        .executeTakeFirst();
      if (row?.wanted !== 'running') throw notRunning(row?.workshopName);
      if (row.seat === null || row.name === null) {
        const removed = await removedAmong(database.db, workshopId, [odehash]);
        if (removed.has(odehash)) throw removedByInstructor(row.workshopName);
        throw new PublicError(
          'removed',
          'This seat is not yours any more: it was given to somebody else, or the workshop was started anew. Join again with the code.',
        );
      }
      return {
        workshop: { id: workshopId, name: row.workshopName },
        seat: row.seat,
        odehash,
        name: row.name,
        returning: true,
      };
    },
  };
}

/** `pending`: seats that nobody holds and that will be usable without anybody's help. */
function countSeats(state: WorkshopState | undefined): { free: number; pending: number; total: number } {
  if (!state) return { free: 0, pending: 0, total: 0 };
  const held = new Set(state.sessions.map((session) => session.seat));
  const phases = state.seats.filter((seat) => !held.has(seat.seat)).map((seat) => phaseOfSeat(seat, false));
  const free = phases.filter((phase) => phase === 'ready').length;
  const lost = phases.filter((phase) => phase === 'failed' || phase === 'off' || phase === 'stopping').length;
  return { free, pending: phases.length - free - lost, total: state.seats.length };
}

async function noFreeSeat(
  database: Database,
  { id, name }: { id: WorkshopId; name: string },
): Promise<PublicError> {
  const { free, pending, total } = countSeats(await loadWorkshop(database, id));
  if (free + pending > 0) {
    return new PublicError(
      'workshop_not_running',
      `The seats of "${name}" are still being prepared. Try again in a few seconds.`,
      { retryAfterSeconds: SOON_SECONDS },
    );
  }
  return new PublicError(
    'workshop_full',
    `"${name}" is full: all ${total} seats are taken. If you had a seat, enter your return code; otherwise ask your instructor.`,
  );
}

function notRunning(name: string | undefined): PublicError {
  return new PublicError(
    'workshop_not_running',
    name === undefined
      ? 'This workshop has ended.'
      : `"${name}" is not running now. Your instructor starts it; then the same code works.`,
  );
}
