import type { WorkshopId } from '@clarateach/contract/ids';
import { batchLanes } from '../store/batch-lanes.ts';
import type { Database } from '../store/database.ts';
import type { SeatRow, WorkshopRow } from '../workshops/store.ts';
import { nextRevision, releaseSeats } from '../workshops/store.ts';

/**
 * A server that does not renew in time loses the workshop to another; two that act at once by a
 * pause or a skewed clock do no harm, because every call is idempotent and every row is written
 * only by whoever read its newest revision.
 */
const LEASE_MS = 15_000;

/** Takes or renews the lease on every workshop that has work for a reconciler; gives those held. */
export async function holdLeases(
  { db }: Database,
  server: string,
  now: number,
): Promise<readonly WorkshopId[]> {
  await db
    .updateTable('workshops')
    .set({ leaseHolder: server, leaseUntil: now + LEASE_MS })
    .where((eb) =>
      eb.or([
        eb('leaseHolder', 'is', null),
        eb('leaseUntil', '<', now),
        eb.and([eb('leaseHolder', '=', server), eb('leaseUntil', '<', now + LEASE_MS / 2)]),
      ]),
    )
    .where((eb) =>
      eb.or([
        eb('wanted', '!=', 'stopped'),
        eb.exists(eb.selectFrom('seats').select('seat').whereRef('seats.workshopId', '=', 'workshops.id')),
      ]),
    )
    .execute();
  const rows = await db.selectFrom('workshops').select('id').where('leaseHolder', '=', server).execute();
  return rows.map((row) => row.id);
}

/** Lets other servers go on at once, instead of after the lease. */
export async function releaseLeases({ db }: Database, server: string): Promise<void> {
  await db
    .updateTable('workshops')
    .set({ leaseHolder: null, leaseUntil: null })
    .where('leaseHolder', '=', server)
    .execute();
}

/** Stops the workshops whose time is up; gives their ids. */
export async function endExpired(database: Database, now: number): Promise<readonly WorkshopId[]> {
  const due = await database.db
    .selectFrom('workshops')
    .select('id')
    .where('wanted', '=', 'running')
    .where('endsAt', '<=', now)
    .execute();
  for (const { id } of due) {
    await database.transaction(async (trx) => {
      const workshop = await nextRevision(trx, id);
      // The instructor may have given it more time since.
      if (workshop?.wanted !== 'running' || (workshop.endsAt ?? now + 1) > now) return;
      await trx
        .updateTable('workshops')
        .set({ wanted: 'stopped', endsAt: null })
        .where('id', '=', id)
        .execute();
      await releaseSeats(trx, workshop);
    });
  }
  return due.map((row) => row.id);
}

/** Removes deleted workshops of which nothing is left; gives their ids. */
export async function forgetGone({ db }: Database): Promise<readonly WorkshopId[]> {
  const rows = await db
    .deleteFrom('workshops')
    .where('wanted', '=', 'gone')
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('seats').select('seat').whereRef('seats.workshopId', '=', 'workshops.id'))),
    )
    .returning('id')
    .execute();
  return rows.map((row) => row.id);
}

export interface SeatWork {
  readonly row: SeatRow;
  readonly workshop: WorkshopRow;
}

export async function loadSeatWork(
  { db }: Database,
  workshopId: WorkshopId,
  seat: number,
): Promise<SeatWork | undefined> {
  const row = await db
    .selectFrom('seats')
    .selectAll()
    .where('workshopId', '=', workshopId)
    .where('seat', '=', seat)
    .executeTakeFirst();
  if (!row) return undefined;
  const workshop = await db
    .selectFrom('workshops')
    .selectAll()
    .where('id', '=', workshopId)
    .executeTakeFirst();
  return workshop && { row, workshop };
}

/** The rows that loops are made for, and by whose revision they learn that somebody changed one. */
export async function seatRevisions(
  { db }: Database,
  ids: readonly WorkshopId[],
): Promise<readonly Pick<SeatRow, 'workshopId' | 'seat' | 'revision'>[]> {
  if (ids.length === 0) return [];
  return db
    .selectFrom('seats')
    .select(['workshopId', 'seat', 'revision'])
    .where('workshopId', 'in', ids)
    .execute();
}

/** How loops write their rows down; what all loops of a workshop write at one time is one transaction. */
export interface SeatWrites {
  /**
   * Writes a row that was read at `row.revision`; gives the row as it is now, or undefined when somebody
   * else changed it meanwhile, and then nothing is written.
   */
  write(row: SeatRow, values: Partial<SeatRow>): Promise<SeatRow | undefined>;
  /** Removes the row of a seat of which nothing is left, unless somebody wants it again meanwhile. */
  forget(row: SeatRow): Promise<void>;
}

/** Seats in one transaction: joins of the workshop wait for no more than these. */
const WRITES_AT_ONCE = 50;

export function createSeatWrites(database: Database): SeatWrites {
  interface Write {
    readonly row: SeatRow;
    readonly change: Partial<SeatRow> | 'forget';
  }
  const submit = batchLanes<WorkshopId, Write, { readonly row: SeatRow | undefined }>({
    maxBatch: WRITES_AT_ONCE,
    run: (id, writes) =>
      database.transaction(async (trx) => {
        const workshop = await nextRevision(trx, id);
        const written: { row: SeatRow | undefined }[] = [];
        for (const { row, change } of writes) {
          if (!workshop) written.push({ row: undefined });
          else if (change === 'forget') {
            await trx
              .deleteFrom('seats')
              .where('workshopId', '=', id)
              .where('seat', '=', row.seat)
              .where('revision', '=', row.revision)
              .execute();
            written.push({ row: undefined });
          } else {
            const changed = await trx
              .updateTable('seats')
              .set({ ...change, revision: workshop.revision })
              .where('workshopId', '=', id)
              .where('seat', '=', row.seat)
              .where('revision', '=', row.revision)
              .returningAll()
              .executeTakeFirst();
            written.push({ row: changed });
          }
        }
        return written;
      }),
  });
  return {
    async write(row, values) {
      return (await submit(row.workshopId, { row, change: values })).row;
    },
    async forget(row) {
      await submit(row.workshopId, { row, change: 'forget' });
    },
  };
}
