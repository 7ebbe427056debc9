import { randomUUID } from 'node:crypto';
import { randomCode } from '@clarateach/contract/codes';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import type { Transaction } from 'kysely';
import type { RegistrationRow } from '../entry/store.ts';
import { removedAmong } from '../removal/removal.ts';
import type { Database } from '../store/database.ts';
import type { Schema, SessionsTable } from '../store/schema.ts';
import { lockWorkshop, nextRevision, type SessionRow, type WorkshopRow } from '../workshops/store.ts';

/** 28^8 codes: with the join code and the limit on wrong guesses, out of reach. */
export const ODEHASH_LENGTH = 8;

export interface ClaimRequest {
  /** The join code or an access code, normalized; an access code stands for a return code of its own. */
  readonly code: string;
  readonly name: string;
  /** A learner's own code: leads back to their seat, or becomes the code of a new claim. */
  readonly odehash: Odehash | undefined;
}

export type ClaimOutcome =
  | { readonly outcome: 'claimed'; readonly session: SessionRow; readonly returning: boolean }
  | { readonly outcome: 'no_free_seat' }
  | { readonly outcome: 'removed' }
  /** The workshop takes no newcomers by the join code alone, or not this registration. */
  | { readonly outcome: 'not_admitted'; readonly registration: RegistrationRow | undefined }
  | { readonly outcome: 'not_running' }
  /** The code does not open this workshop, or not any more. */
  | { readonly outcome: 'unknown_code' };

/**
 * Gives each request its seat, in the order of the requests: the old one to a known learner, the
 * lowest free one to a new learner. The workshop's row is held throughout, so claims of one workshop
 * are made one batch after the other by however many servers; the unique indexes of `sessions` are
 * the second wall.
 */
export async function claimSeats(
  trx: Transaction<Schema>,
  request: {
    readonly database: Pick<Database, 'rowLocks'>;
    readonly workshopId: WorkshopId;
    readonly requests: readonly ClaimRequest[];
    readonly now: number;
    /** The return code of the next learner of a seat; made up where there is none. */
    readonly nextOdehash: (seat: number) => Odehash | undefined;
  },
): Promise<{ workshop: WorkshopRow | undefined; outcomes: readonly ClaimOutcome[] }> {
  const { workshopId, now } = request;
  const workshop = await lockWorkshop(request.database, trx, workshopId);
  if (!workshop) return { workshop, outcomes: request.requests.map(() => ({ outcome: 'unknown_code' })) };

  const accessCodes = request.requests.flatMap(({ code }) => (code === workshop.code ? [] : code));
  const registered = await registrationsByCode(trx, workshopId, accessCodes);
  const requests = request.requests.map((each) => {
    const registration = each.code === workshop.code ? undefined : registered.get(each.code);
    const opens = registration !== undefined || each.code === workshop.code;
    return { name: each.name, odehash: registration?.odehash ?? each.odehash, registration, opens };
  });
  if (workshop.wanted !== 'running') {
    return {
      workshop,
      outcomes: requests.map(({ opens }) => ({ outcome: opens ? 'not_running' : 'unknown_code' })),
    };
  }
  const odehashes = requests.flatMap(({ odehash }) => odehash ?? []);
  const known = await knownSessions(trx, workshopId, odehashes);
  const removed = await removedAmong(trx, workshopId, odehashes);
  const newcomers = requests.filter(({ odehash }) => odehash === undefined || !known.has(odehash)).length;
  const free = newcomers > 0 ? await freeSeats(trx, workshopId, newcomers) : [];
  const made: SessionsTable[] = [];
  const renamed: SessionRow[] = [];
  const came = new Set<string>();

  const outcomes = requests.map(({ name, odehash, registration, opens }): ClaimOutcome => {
    if (!opens) return { outcome: 'unknown_code' };
    if (odehash !== undefined && removed.has(odehash)) return { outcome: 'removed' };
    if (registration && !isAdmitted(workshop, registration)) return { outcome: 'not_admitted', registration };
    const old = odehash === undefined ? undefined : known.get(odehash);
    if (registration && old && (registration.cameAt === null || registration.seat !== old.seat)) {
      came.add(registration.id);
    }
    if (old) {
      const session = { ...old, name };
      if (old.name !== name) renamed.push(session);
      return { outcome: 'claimed', session, returning: true };
    }
    if (!registration && workshop.entry !== 'open') return { outcome: 'not_admitted', registration };
    const seat = free.shift();
    if (seat === undefined) return { outcome: 'no_free_seat' };
    if (registration) came.add(registration.id);
    const session: SessionRow = {
      id: randomUUID(),
      workshopId,
      seat,
      odehash: odehash ?? request.nextOdehash(seat) ?? (randomCode(ODEHASH_LENGTH) as Odehash),
      name,
      joinedAt: now,
    };
    made.push(session);
    // The same learner may ask twice in one batch.
    known.set(session.odehash, session);
    return { outcome: 'claimed', session, returning: false };
  });

  if (made.length + renamed.length > 0) await nextRevision(trx, workshopId);
  if (made.length > 0) await trx.insertInto('sessions').values(made).execute();
  for (const { id, name } of renamed) {
    await trx.updateTable('sessions').set({ name }).where('id', '=', id).execute();
  }
  if (came.size > 0) await writeSeatsTaken(trx, [...came], now);
  return { workshop, outcomes };
}

/** Whether the learner of a registration may take a seat. */
export function isAdmitted(
  { entry }: Pick<WorkshopRow, 'entry'>,
  { state, source }: Pick<RegistrationRow, 'state' | 'source'>,
): boolean {
  return state === 'confirmed' && (entry !== 'list' || source === 'list');
}

/** That these came, and which seat they have now. */
async function writeSeatsTaken(
  trx: Transaction<Schema>,
  registrations: readonly string[],
  now: number,
): Promise<void> {
  await trx
    .updateTable('registrations')
    .set((eb) => ({
      cameAt: eb.fn.coalesce('cameAt', eb.val(now)),
      seat: eb
        .selectFrom('sessions')
        .select('sessions.seat')
        .whereRef('sessions.workshopId', '=', 'registrations.workshopId')
        .whereRef('sessions.odehash', '=', 'registrations.odehash'),
    }))
    .where('id', 'in', registrations)
    .execute();
}

async function registrationsByCode(
  trx: Transaction<Schema>,
  workshopId: WorkshopId,
  codes: readonly string[],
): Promise<Map<string, RegistrationRow>> {
  if (codes.length === 0) return new Map();
  const rows = await trx
    .selectFrom('registrations')
    .selectAll()
    .where('workshopId', '=', workshopId)
    .where('accessCode', 'in', codes)
    .execute();
  return new Map(rows.map((row) => [row.accessCode, row]));
}

async function knownSessions(
  trx: Transaction<Schema>,
  workshopId: WorkshopId,
  odehashes: readonly Odehash[],
): Promise<Map<Odehash, SessionRow>> {
  if (odehashes.length === 0) return new Map();
  const sessions = await trx
    .selectFrom('sessions')
    .selectAll()
    .where('workshopId', '=', workshopId)
    .where('odehash', 'in', odehashes)
    .execute();
  return new Map(sessions.map((session) => [session.odehash, session]));
}

async function freeSeats(trx: Transaction<Schema>, workshopId: WorkshopId, limit: number): Promise<number[]> {
  const rows = await trx
    .selectFrom('seats')
    .select('seat')
    .where('workshopId', '=', workshopId)
    .where('wanted', '=', 'running')
    .where('seen', '=', 'running')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('sessions')
            .select('sessions.id')
            .whereRef('sessions.workshopId', '=', 'seats.workshopId')
            .whereRef('sessions.seat', '=', 'seats.seat'),
        ),
      ),
    )
    .orderBy('seat')
    .limit(limit)
    .execute();
  return rows.map((row) => row.seat);
}
