import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { Kysely } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import type { WorkshopRow } from './store.ts';

type Owned = Pick<WorkshopRow, 'id' | 'ownerId'>;

/** Whether somebody may see and run a workshop: its owner, its co-instructors, and every admin. */
export async function mayRun(db: Kysely<Schema>, userId: string, workshop: Owned): Promise<boolean> {
  if (workshop.ownerId === userId) return true;
  const shared = await db
    .selectFrom('coInstructors')
    .select('userId')
    .where('workshopId', '=', workshop.id)
    .where('userId', '=', userId)
    .executeTakeFirst();
  return shared !== undefined || isAdmin(db, userId);
}

/** For what co-instructors may not do. Throws `forbidden`; asked only of those who may run the workshop. */
export async function requireOwner(db: Kysely<Schema>, userId: string, workshop: Owned): Promise<void> {
  if (workshop.ownerId === userId || (await isAdmin(db, userId))) return;
  throw new PublicError(
    'forbidden',
    'Only the owner of the workshop may do this. You run it as co-instructor; ask the owner.',
  );
}

async function isAdmin(db: Kysely<Schema>, userId: string): Promise<boolean> {
  const user = await db.selectFrom('users').select('role').where('id', '=', userId).executeTakeFirst();
  return user?.role === 'admin';
}

/** Somebody's own workshops and those they are co-instructor of, the newest first. */
export async function ownAndShared({ db }: Database, userId: string): Promise<readonly WorkshopId[]> {
  const rows = await db
    .selectFrom('workshops')
    .select('id')
    .where((eb) =>
      eb.or([
        eb('ownerId', '=', userId),
        eb(
          'id',
          'in',
          eb.selectFrom('coInstructors').select('coInstructors.workshopId').where('userId', '=', userId),
        ),
      ]),
    )
    .orderBy('createdAt', 'desc')
    .orderBy('id')
    .execute();
  return rows.map((row) => row.id);
}

export function noSuchWorkshop(id: WorkshopId): PublicError {
  return new PublicError('not_found', `You have no workshop ${id}. It may have been deleted.`);
}
