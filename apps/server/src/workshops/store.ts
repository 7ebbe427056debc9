import type { WorkshopId } from '@clarateach/contract/ids';
import type { Observed } from '@clarateach/seats/provider';
import type { Selectable, Transaction } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema, SeatsTable, SessionsTable, WorkshopsTable } from '../store/schema.ts';

export type WorkshopRow = Selectable<WorkshopsTable>;
export type SeatRow = Selectable<SeatsTable>;
export type SessionRow = Selectable<SessionsTable>;

/** A workshop with all that its phases are derived from; seats and sessions are never older than its revision. */
export interface WorkshopState {
  readonly workshop: WorkshopRow;
  readonly seats: readonly SeatRow[];
  readonly sessions: readonly SessionRow[];
}

export async function loadWorkshop(database: Database, id: WorkshopId): Promise<WorkshopState | undefined> {
  const [state] = await loadWorkshops(database, [id]);
  return state;
}

export async function loadWorkshops(
  { db }: Database,
  ids: readonly WorkshopId[],
): Promise<readonly WorkshopState[]> {
  if (ids.length === 0) return [];
  // The workshops first: a change that comes between these looks has a later revision, and is read again with it.
  const workshops = await db.selectFrom('workshops').selectAll().where('id', 'in', ids).execute();
  const seats = await db
    .selectFrom('seats')
    .selectAll()
    .where('workshopId', 'in', ids)
    .orderBy('seat')
    .execute();
  const sessions = await db.selectFrom('sessions').selectAll().where('workshopId', 'in', ids).execute();
  const seatsOf = Map.groupBy(seats, (seat) => seat.workshopId);
  const sessionsOf = Map.groupBy(sessions, (session) => session.workshopId);
  return workshops.map((workshop) => ({
    workshop,
    seats: seatsOf.get(workshop.id) ?? [],
    sessions: sessionsOf.get(workshop.id) ?? [],
  }));
}

export async function workshopIds({ db }: Database): Promise<readonly WorkshopId[]> {
  const rows = await db
    .selectFrom('workshops')
    .select('id')
    .orderBy('createdAt', 'desc')
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}

/** The workshop's row, which nobody else changes until this transaction ends. */
export async function lockWorkshop(
  { rowLocks }: Pick<Database, 'rowLocks'>,
  trx: Transaction<Schema>,
  id: WorkshopId,
): Promise<WorkshopRow | undefined> {
  return trx
    .selectFrom('workshops')
    .selectAll()
    .where('id', '=', id)
    .$if(rowLocks, (query) => query.forUpdate())
    .executeTakeFirst();
}

/**
 * Takes the workshop's row for this transaction and gives the revision that its changes carry. Every
 * change of a workshop, its seats or sessions begins here, so they happen one after the other.
 */
export async function nextRevision(
  trx: Transaction<Schema>,
  id: WorkshopId,
): Promise<WorkshopRow | undefined> {
  return trx
    .updateTable('workshops')
    .set((eb) => ({ revision: eb('revision', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
}

/** What a seat's row says when its history does not matter any more. */
export const FRESH_SEAT = {
  attempts: 0,
  ensuredAt: null,
  failedAt: null,
  failureKind: null,
  failureMessage: null,
} as const;

/** Every seat is to run. One that was on its way out is emptied first: its files were given up. */
export async function startSeats(trx: Transaction<Schema>, workshop: WorkshopRow): Promise<void> {
  const { id, revision, seatCount } = workshop;
  const absent: Observed = { state: 'absent' };
  const rows: SeatRow[] = Array.from({ length: seatCount }, (_, index) => ({
    ...FRESH_SEAT,
    workshopId: id,
    seat: index + 1,
    wanted: 'running',
    seen: 'absent',
    observed: JSON.stringify(absent),
    worker: null,
    movedFrom: null,
    revision,
  }));
  await trx
    .insertInto('seats')
    .values(rows)
    .onConflict((conflict) => conflict.columns(['workshopId', 'seat']).doNothing())
    .execute();
  await trx
    .updateTable('seats')
    .set({ ...FRESH_SEAT, wanted: 'reset', revision })
    .where('workshopId', '=', id)
    .where('wanted', '=', 'gone')
    .execute();
  // Seats that were given up are tried anew; those that run are left alone.
  await trx
    .updateTable('seats')
    .set({ ...FRESH_SEAT, revision })
    .where('workshopId', '=', id)
    .where('wanted', '=', 'running')
    .where('seen', '!=', 'running')
    .where('ensuredAt', 'is', null)
    .execute();
}

/** Nobody holds a seat any more and every seat is to go; the reconciler does it. */
export async function releaseSeats(trx: Transaction<Schema>, workshop: WorkshopRow): Promise<void> {
  await trx.deleteFrom('sessions').where('workshopId', '=', workshop.id).execute();
  await trx
    .updateTable('seats')
    .set({ ...FRESH_SEAT, wanted: 'gone', revision: workshop.revision })
    .where('workshopId', '=', workshop.id)
    .execute();
}
