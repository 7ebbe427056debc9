import { type Odehash, type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import type { ProviderErrorKind } from '@clarateach/seats/provider';
import { type Expression, type ExpressionBuilder, type SqlBool, sql, type Transaction } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { FRESH_SEAT, nextRevision } from '../workshops/store.ts';

/** Room of a worker that may take a seat. */
export interface Candidate {
  readonly address: string;
  readonly capacity: number;
}

/** Any number that nobody else takes an advisory lock by. */
const PLACEMENT_LOCK = 7_031_090;

/** What the database says of a seat that some worker holds. */
export interface PlacedSeat {
  readonly worker: string | null;
  readonly holder: Odehash | null;
  readonly revision: number;
  /** It is there: whatever another worker has of it is a copy that nobody will come back to. */
  readonly settled: boolean;
}

/** The worker that a seat is placed on; null before it is placed. */
export async function workerOf({ db }: Database, id: SeatId): Promise<string | null> {
  const row = await db
    .selectFrom('seats')
    .select('worker')
    .where('workshopId', '=', id.workshop)
    .where('seat', '=', id.seat)
    .executeTakeFirst();
  return row?.worker ?? null;
}

/**
 * Places the seat, which is on `from` now, on the candidate with the most free room, and gives that
 * one; undefined when none has room, and then nothing changes. Seats are placed one after the other, by all
 * servers of a database; what the worker refuses in the end stays its own word.
 */
export async function placeSeat(
  database: Database,
  id: SeatId,
  from: string | null,
  candidates: readonly Candidate[],
): Promise<string | undefined> {
  if (candidates.length === 0) return undefined;
  return database.transaction(async (trx) => {
    // Without it, those that place at once would all count before any of them has taken its place.
    if (database.rowLocks) await sql`select pg_advisory_xact_lock(${PLACEMENT_LOCK})`.execute(trx);
    const best = await freest(trx, candidates);
    if (best === undefined) return undefined;
    const { numUpdatedRows } = await trx
      .updateTable('seats')
      .set({ worker: best, ...(from === null ? {} : { movedFrom: from }) })
      .where('workshopId', '=', id.workshop)
      .where('seat', '=', id.seat)
      .where('worker', from === null ? 'is' : '=', from)
      .executeTakeFirst();
    return numUpdatedRows === 0n ? undefined : best;
  });
}

/** Whether one of the candidates has room for another seat. */
export async function hasRoom({ db }: Database, candidates: readonly Candidate[]): Promise<boolean> {
  return (await freest(db, candidates)) !== undefined;
}

async function freest(
  db: Database['db'] | Transaction<Schema>,
  candidates: readonly Candidate[],
): Promise<string | undefined> {
  if (candidates.length === 0) return undefined;
  const counts = await db
    .selectFrom('seats')
    .select((eb) => ['worker', eb.fn.countAll<number | string>().as('count')])
    .where('worker', 'is not', null)
    .groupBy('worker')
    .execute();
  const taken = new Map(counts.map(({ worker, count }) => [worker, Number(count)]));
  const free = ({ address, capacity }: Candidate) => capacity - (taken.get(address) ?? 0);
  const [best] = [...candidates].sort((a, b) => free(b) - free(a) || (a.address < b.address ? -1 : 1));
  return best && free(best) > 0 ? best.address : undefined;
}

/**
 * This worker would not have the seat and has nothing of it: it is where it was before it was placed here,
 * so that its files are kept should they turn up.
 */
export async function turnBackSeat({ db }: Database, id: SeatId, worker: string): Promise<void> {
  await db
    .updateTable('seats')
    .set((eb) => ({ worker: eb.ref('movedFrom'), movedFrom: null }))
    .where('workshopId', '=', id.workshop)
    .where('seat', '=', id.seat)
    .where('worker', '=', worker)
    .execute();
}

/** The runtimes that seats are in, that of the newest workshop first. */
export async function usedRuntimes({ db }: Database): Promise<readonly RuntimeName[]> {
  const rows = await db
    .selectFrom('workshops')
    .select('runtime')
    .where(({ exists, selectFrom }) =>
      exists(selectFrom('seats').select('seat').whereRef('seats.workshopId', '=', 'workshops.id')),
    )
    .groupBy('runtime')
    .orderBy((eb) => eb.fn.max('createdAt'), 'desc')
    .execute();
  return rows.map(({ runtime }) => runtime);
}

/** Nothing is left of the seat: it is on no worker any more, if it was on this one, and no lost files are to be told of. */
export async function unplaceSeat({ db }: Database, id: SeatId, worker: string): Promise<void> {
  await db
    .updateTable('seats')
    .set({ worker: null, movedFrom: null })
    .where('workshopId', '=', id.workshop)
    .where('seat', '=', id.seat)
    .where('worker', '=', worker)
    .execute();
}

/** By seat name, what the database says of the seats of these workshops. */
export async function placedSeats(
  { db }: Database,
  workshops: readonly WorkshopId[],
): Promise<ReadonlyMap<string, PlacedSeat>> {
  if (workshops.length === 0) return new Map();
  const rows = await db
    .selectFrom('seats')
    .innerJoin('workshops', 'workshops.id', 'seats.workshopId')
    .leftJoin('sessions', (join) =>
      join.onRef('sessions.workshopId', '=', 'seats.workshopId').onRef('sessions.seat', '=', 'seats.seat'),
    )
    .select(['seats.workshopId', 'seats.seat', 'seats.worker', 'sessions.odehash', 'workshops.revision'])
    .select(['seats.wanted', 'seats.seen'])
    .where('seats.workshopId', 'in', workshops)
    .execute();
  return new Map(
    rows.map((row) => [
      seatName({ workshop: row.workshopId, seat: row.seat }),
      {
        worker: row.worker,
        holder: row.odehash,
        revision: row.revision,
        settled: row.seen === 'running' || row.wanted !== 'running',
      },
    ]),
  );
}

/** Failures of a seat that are its worker's and not its own. */
const OF_THE_WORKER: readonly ProviderErrorKind[] = ['capacity', 'unreachable'];

/**
 * A worker answers again: seats that failed for want of it are tried afresh, those on no worker or on one
 * that is not among `named` too. Gives their workshops.
 */
export async function retrySeats(
  database: Database,
  worker: string,
  named: readonly string[],
): Promise<readonly WorkshopId[]> {
  const waits = (eb: ExpressionBuilder<Schema, 'seats'>) =>
    eb.and([
      eb('wanted', '=', 'running'),
      eb('seen', '!=', 'running'),
      eb('failureKind', 'in', OF_THE_WORKER),
      eb.or([eb('worker', '=', worker), eb('worker', 'is', null), eb('worker', 'not in', named)]),
    ]);
  return changeSeats(database, waits, FRESH_SEAT);
}

/** Gives the seats on a worker a new revision, so that whoever looks after them looks at once; gives their workshops. */
export async function touchSeatsOf(database: Database, worker: string): Promise<readonly WorkshopId[]> {
  return changeSeats(database, (eb) => eb('worker', '=', worker), {});
}

/** Changes seats that are so, and gives them a new revision; gives their workshops. */
async function changeSeats(
  database: Database,
  are: (eb: ExpressionBuilder<Schema, 'seats'>) => Expression<SqlBool>,
  change: Partial<typeof FRESH_SEAT>,
): Promise<readonly WorkshopId[]> {
  const rows = await database.db.selectFrom('seats').select('workshopId').distinct().where(are).execute();
  for (const { workshopId } of rows) {
    await database.transaction(async (trx) => {
      const workshop = await nextRevision(trx, workshopId);
      if (!workshop) return;
      await trx
        .updateTable('seats')
        .set({ ...change, revision: workshop.revision })
        .where('workshopId', '=', workshopId)
        .where(are)
        .execute();
    });
  }
  return rows.map((row) => row.workshopId);
}
