import type { Colleague } from '@clarateach/contract/entry';
import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { Kysely, Transaction } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { mayRun, noSuchWorkshop, requireOwner } from '../workshops/access.ts';
import { lockWorkshop, type WorkshopRow } from '../workshops/store.ts';

/**
 * Who runs a workshop: its owner, and instructors whom the owner has added. They may do all that the
 * owner may but delete it and choose who runs it; that is `forbidden` to them.
 */
export interface Colleagues {
  list(userId: string, id: WorkshopId): Promise<Colleague[]>;
  /** Throws `invalid_input` of `email` where no account has the address; adding twice is adding once. */
  add(userId: string, id: WorkshopId, email: string): Promise<Colleague>;
  /** Who is none is taken off already. */
  remove(userId: string, id: WorkshopId, colleague: string): Promise<void>;
}

export function createColleagues(deps: {
  readonly database: Database;
  readonly now: () => number;
}): Colleagues {
  const { database, now } = deps;

  const owned = async (trx: Transaction<Schema>, userId: string, id: WorkshopId): Promise<WorkshopRow> => {
    const workshop = await lockWorkshop(database, trx, id);
    if (!workshop || !(await mayRun(trx, userId, workshop))) throw noSuchWorkshop(id);
    await requireOwner(trx, userId, workshop);
    return workshop;
  };

  return {
    async list(userId, id) {
      const { db } = database;
      const workshop = await db
        .selectFrom('workshops')
        .select(['id', 'ownerId'])
        .where('id', '=', id)
        .executeTakeFirst();
      if (!workshop || !(await mayRun(db, userId, workshop))) throw noSuchWorkshop(id);
      const owner = await db
        .selectFrom('users')
        .select(['id', 'name', 'email'])
        .where('id', '=', workshop.ownerId)
        .executeTakeFirstOrThrow();
      const others = await coInstructorsOf(db, id);
      return [
        { userId: owner.id, name: owner.name, email: owner.email, role: 'owner' },
        ...others.map(
          ({ id: other, name, email }): Colleague => ({ userId: other, name, email, role: 'co-instructor' }),
        ),
      ];
    },

    add: (userId, id, email) =>
      database.transaction(async (trx) => {
        const workshop = await owned(trx, userId, id);
        const user = await trx
          .selectFrom('users')
          .select(['id', 'name', 'email'])
          .where('email', '=', email.toLowerCase())
          .executeTakeFirst();
        if (!user) {
          throw new PublicError(
            'invalid_input',
            'No instructor has an account with this address. Ask an admin to invite them, then add them here.',
            { field: 'email' },
          );
        }
        if (user.id === workshop.ownerId) {
          throw new PublicError('invalid_input', 'This is the owner, who runs the workshop anyway.', {
            field: 'email',
          });
        }
        await trx
          .insertInto('coInstructors')
          .values({ workshopId: id, userId: user.id, addedAt: now() })
          .onConflict((conflict) => conflict.columns(['workshopId', 'userId']).doNothing())
          .execute();
        return { userId: user.id, name: user.name, email: user.email, role: 'co-instructor' } as const;
      }),

    async remove(userId, id, colleague) {
      await database.transaction(async (trx) => {
        await owned(trx, userId, id);
        await trx
          .deleteFrom('coInstructors')
          .where('workshopId', '=', id)
          .where('userId', '=', colleague)
          .execute();
      });
    },
  };
}

function coInstructorsOf(db: Kysely<Schema>, id: WorkshopId) {
  return db
    .selectFrom('coInstructors')
    .innerJoin('users', 'users.id', 'coInstructors.userId')
    .select(['users.id', 'users.name', 'users.email'])
    .where('workshopId', '=', id)
    .orderBy('addedAt')
    .orderBy('users.id')
    .execute();
}
