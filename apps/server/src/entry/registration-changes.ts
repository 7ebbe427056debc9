import { MAX_REGISTRATIONS } from '@clarateach/contract/entry';
import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { Transaction } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { noSuchWorkshop } from '../workshops/access.ts';
import type { Changes } from '../workshops/changes.ts';
import { nextRevision, type WorkshopRow } from '../workshops/store.ts';
import { moveUp, type RegistrationRow } from './store.ts';

/** One change at a new revision of the workshop, whose row is held throughout. Throws `not_found`. */
export type ChangeWorkshop = <T>(
  id: WorkshopId,
  work: (trx: Transaction<Schema>, workshop: WorkshopRow) => Promise<T>,
) => Promise<T>;

export function workshopChanges(deps: {
  readonly database: Database;
  readonly changes: Changes;
}): ChangeWorkshop {
  return async (id, work) => {
    const result = await deps.database.transaction(async (trx) => {
      const workshop = await nextRevision(trx, id);
      if (!workshop || workshop.wanted === 'gone') throw noSuchWorkshop(id);
      return work(trx, workshop);
    });
    deps.changes.notify(id);
    return result;
  };
}

/** Throws `not_found`. */
export async function findRegistration(
  trx: Transaction<Schema>,
  workshopId: WorkshopId,
  id: string,
): Promise<RegistrationRow> {
  const row = await trx
    .selectFrom('registrations')
    .selectAll()
    .where('workshopId', '=', workshopId)
    .where('id', '=', id)
    .executeTakeFirst();
  if (!row) throw new PublicError('not_found', 'This workshop has no such registration.');
  return row;
}

/** Gives the registration up; the next who waits moves up. */
export async function cancelRegistration(
  trx: Transaction<Schema>,
  workshop: WorkshopRow,
  row: RegistrationRow,
) {
  await trx.updateTable('registrations').set({ state: 'cancelled' }).where('id', '=', row.id).execute();
  return {
    workshop,
    row: { ...row, state: 'cancelled' as const },
    movedUp: await moveUp(trx, workshop),
  };
}

/** Throws `registration_closed`, so that nobody fills the table. */
export async function requireSpace(trx: Transaction<Schema>, id: WorkshopId, more: number): Promise<void> {
  const { known } = await trx
    .selectFrom('registrations')
    .select((eb) => eb.fn.countAll().as('known'))
    .where('workshopId', '=', id)
    .executeTakeFirstOrThrow();
  if (Number(known) + more <= MAX_REGISTRATIONS) return;
  throw new PublicError(
    'registration_closed',
    `This workshop has as many registrations as it takes (${MAX_REGISTRATIONS}). Ask the instructor.`,
  );
}
