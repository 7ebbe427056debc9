import { normalizeCode } from '@clarateach/contract/codes';
import { PublicError } from '@clarateach/contract/errors';
import type { Odehash, SeatId, WorkshopId } from '@clarateach/contract/ids';
import type { JoinBody, JoinInfo } from '@clarateach/contract/join';
import { placeOf, type RegistrationRow } from '../entry/store.ts';
import { phaseOfSeat } from '../reconciler/situation.ts';
import { removedAmong, removedByInstructor } from '../removal/removal.ts';
import { batchLanes } from '../store/batch-lanes.ts';
import type { Database } from '../store/database.ts';
import type { Changes } from '../workshops/changes.ts';
import { loadWorkshop, type WorkshopRow, type WorkshopState } from '../workshops/store.ts';
import { type ClaimOutcome, type ClaimRequest, claimSeats, isAdmitted } from './claims.ts';

/** A learner's place. */
export interface Claim {
  readonly workshop: { readonly id: WorkshopId; readonly name: string };
  readonly seat: number;
  readonly odehash: Odehash;
  readonly name: string;
  /** Whether the learner had this seat before. */
  readonly returning: boolean;
  /** When the workshop stops by itself, in ms since the epoch. */
  readonly endsAt: number | null;
}

export interface Join {
  /**
   * Throws `unknown_code`, `workshop_full`, `workshop_not_running`, `registration_required`,
   * `on_waiting_list` or `removed`.
   */
  join(input: JoinBody): Promise<Claim>;
  /** Throws `unknown_code`, and `removed` for the access code of a learner who was removed. */
  info(code: string): Promise<JoinInfo>;
  /** Whether it shows more than a join code: a known access code, or a return code of the workshop. */
  proves(input: Pick<JoinBody, 'code' | 'odehash'>): Promise<boolean>;
  /**
   * The claim behind a token that is to be renewed. Throws `workshop_not_running` once the workshop has
   * stopped, and `removed` where it runs and the learner holds no seat in it any more.
   */
  claimOf(workshop: WorkshopId, odehash: Odehash): Promise<Claim>;
}

/** Claims in one transaction; more wait for the next. Far below the databases' limits on parameters. */
const MAX_BATCH = 500;
/** Codes whose workshop is remembered. */
const MAX_KNOWN_CODES = 20_000;
const SOON_SECONDS = 3;

export function createJoin(deps: {
  database: Database;
  changes: Changes;
  now: () => number;
  /** The return code of the next learner of a free seat; made up where there is none. */
  nextOdehash?: (id: SeatId) => Odehash | undefined;
}): Join {
  const { database, changes } = deps;

  // All that ask at one time are looked up in two queries: a class comes in within a second.
  const look = batchLanes<'codes', string, Door>({
    maxBatch: MAX_BATCH,
    run: (_, codes) => doorsOf(database, codes),
  });
  const findByCode = async (typed: string): Promise<KnownDoor> => {
    const door = await look('codes', normalizeCode(typed));
    if (door.kind === 'none') throw unknownCode();
    remember(normalizeCode(typed), door.workshop.id);
    return door;
  };

  // Which lane a code goes to, and no more than that: what it opens is decided under the workshop's lock.
  const lanes = new Map<string, WorkshopId>();
  const remember = (code: string, id: WorkshopId) => {
    // The newest go to the end, so that the oldest are the first to be forgotten.
    lanes.delete(code);
    lanes.set(code, id);
    if (lanes.size <= MAX_KNOWN_CODES) return;
    const oldest = lanes.keys().next().value;
    if (oldest !== undefined) lanes.delete(oldest);
  };

  // All that wait for one workshop are claimed in one transaction: one sync to disk for a whole class.
  const claim = batchLanes<WorkshopId, ClaimRequest, Claim | PublicError>({
    maxBatch: MAX_BATCH,
    async run(id, requests) {
      const { workshop, outcomes } = await database.transaction((trx) =>
        claimSeats(trx, {
          database,
          workshopId: id,
          requests,
          now: deps.now(),
          nextOdehash: (seat) => deps.nextOdehash?.({ workshop: id, seat }),
        }),
      );
      if (!workshop) return outcomes.map(unknownCode);
      if (outcomes.some(({ outcome }) => outcome === 'claimed')) changes.notify(id);
      // Looked up once for all who found none.
      let noSeat: Promise<PublicError> | undefined;
      return Promise.all(
        outcomes.map(async (result): Promise<Claim | PublicError> => {
          switch (result.outcome) {
            case 'claimed':
              return claimOf(workshop, result);
            case 'removed':
              return removedByInstructor(workshop.name);
            case 'no_free_seat':
              noSeat ??= noFreeSeat(database, workshop);
              return noSeat;
            case 'not_running':
              return notRunning(workshop.name);
            case 'not_admitted':
              return notAdmitted(database, workshop, result.registration);
            case 'unknown_code':
              return unknownCode();
          }
        }),
      );
    },
  });
  const claimByCode = async (request: ClaimRequest): Promise<Claim | PublicError> => {
    const known = lanes.get(request.code);
    if (known !== undefined) {
      const claimed = await claim(known, request);
      if (!(claimed instanceof PublicError) || claimed.code !== 'unknown_code') return claimed;
      lanes.delete(request.code);
    }
    const door = await findByCode(request.code);
    return claim(door.workshop.id, request);
  };

  return {
    async join({ code, name, odehash }) {
      const claimed = await claimByCode({ code: normalizeCode(code), name, odehash });
      if (claimed instanceof PublicError) throw claimed;
      return claimed;
    },

    async info(code) {
      const door = await findByCode(code);
      const state = await loadWorkshop(database, door.workshop.id);
      const { free, pending, total } = countSeats(state);
      const running = state?.workshop.wanted === 'running';
      const registration = door.kind === 'registration' ? door.registration : undefined;
      if (registration && (await isRemoved(database, registration))) {
        throw removedByInstructor(door.workshop.name);
      }
      // A learner who has a seat comes in whatever the others have.
      const seated = state?.sessions.some(({ odehash }) => odehash === registration?.odehash) === true;
      return {
        workshop: { id: door.workshop.id, name: door.workshop.name },
        state: !running ? 'stopped' : free > 0 || seated ? 'open' : pending > 0 ? 'starting' : 'full',
        seats: total,
        freeSeats: running ? free : 0,
        entry: door.workshop.entry,
        registration: registration
          ? {
              name: registration.name,
              state: registration.state,
              place: await placeOf(database.db, registration),
              admitted: isAdmitted(door.workshop, registration),
            }
          : null,
      };
    },

    async proves({ code, odehash }) {
      const door = await look('codes', normalizeCode(code));
      if (door.kind !== 'workshop') return door.kind === 'registration';
      if (odehash === undefined) return false;
      const session = await database.db
        .selectFrom('sessions')
        .select('id')
        .where('workshopId', '=', door.workshop.id)
        .where('odehash', '=', odehash)
        .executeTakeFirst();
      return session !== undefined;
    },

    async claimOf(workshopId, odehash) {
      const row = await database.db
        .selectFrom('workshops')
        .leftJoin('sessions', (join) =>
          join.onRef('sessions.workshopId', '=', 'workshops.id').on('sessions.odehash', '=', odehash),
        )
        .select(['workshops.wanted', 'workshops.name as workshopName', 'workshops.endsAt'])
        .select(['sessions.seat', 'sessions.name'])
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
        endsAt: row.endsAt,
      };
    },
  };
}

async function isRemoved({ db }: Database, { workshopId, odehash }: RegistrationRow): Promise<boolean> {
  return (await removedAmong(db, workshopId, [odehash])).size > 0;
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

/** What a code opens. */
type Door =
  | { readonly kind: 'workshop'; readonly workshop: DoorWorkshop }
  | { readonly kind: 'registration'; readonly workshop: DoorWorkshop; readonly registration: RegistrationRow }
  | { readonly kind: 'none' };
type KnownDoor = Exclude<Door, { readonly kind: 'none' }>;
type DoorWorkshop = Pick<WorkshopRow, 'id' | 'name' | 'code' | 'entry'>;

async function doorsOf({ db }: Database, codes: readonly string[]): Promise<readonly Door[]> {
  const doors = new Map<string, Door>();
  const workshops = () => db.selectFrom('workshops').select(['id', 'name', 'code', 'entry']);
  const distinct = [...new Set(codes)];
  for (const workshop of await workshops().where('code', 'in', distinct).execute()) {
    doors.set(workshop.code, { kind: 'workshop', workshop });
  }
  const others = distinct.filter((code) => !doors.has(code));
  if (others.length > 0) {
    const registrations = await db
      .selectFrom('registrations')
      .selectAll()
      .where('accessCode', 'in', others)
      .execute();
    const ids = [...new Set(registrations.map(({ workshopId }) => workshopId))];
    const found = ids.length === 0 ? [] : await workshops().where('id', 'in', ids).execute();
    const byId = new Map(found.map((workshop) => [workshop.id, workshop]));
    for (const registration of registrations) {
      const workshop = byId.get(registration.workshopId);
      if (workshop) doors.set(registration.accessCode, { kind: 'registration', workshop, registration });
    }
  }
  return codes.map((code) => doors.get(code) ?? { kind: 'none' });
}

function claimOf(
  { id, name, endsAt }: WorkshopRow,
  { session, returning }: ClaimOutcome & { readonly outcome: 'claimed' },
): Claim {
  const { seat, odehash } = session;
  return { workshop: { id, name }, seat, odehash, name: session.name, returning, endsAt };
}

function unknownCode(): PublicError {
  return new PublicError('unknown_code', 'No workshop has this code. Check it with your instructor.');
}

/** Why a learner may not come in, and how they could. */
async function notAdmitted(
  database: Database,
  { name, entry }: DoorWorkshop,
  registration: RegistrationRow | undefined,
): Promise<PublicError> {
  if (registration?.state === 'waiting') {
    const place = await placeOf(database.db, registration);
    return new PublicError(
      'on_waiting_list',
      `You are number ${place} on the waiting list of "${name}". You move up by yourself when a place becomes free; then the same code works.`,
    );
  }
  const byList = `"${name}" is for people on the instructor's list.`;
  if (registration?.state === 'cancelled') {
    return new PublicError(
      'registration_required',
      entry === 'list'
        ? `Your registration was cancelled, and ${byList} Ask the instructor.`
        : `Your registration for "${name}" was cancelled. Register again, or ask the instructor.`,
    );
  }
  if (entry === 'list') {
    return new PublicError(
      'registration_required',
      registration
        ? `${byList} Your registration is not on it; ask the instructor to put you on the list.`
        : `${byList} Come in with your personal access code; if you have none, ask the instructor.`,
    );
  }
  return new PublicError(
    'registration_required',
    `"${name}" is for registered learners. Come in with your personal access code in place of the join code; if you have none, register first.`,
  );
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
