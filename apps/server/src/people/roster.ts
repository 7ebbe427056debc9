import type { Role } from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import type { PersonView } from '@clarateach/contract/people';
import type { Transaction } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';

/** Everybody with an account, for admins. There is always one admin who may enter. */
export interface Roster {
  list(): Promise<PersonView[]>;
  /** Throws `not_found`; `conflict` where it would leave no admin, or disable whoever asks. */
  change(
    asking: string,
    id: string,
    wanted: { readonly role?: Role | undefined; readonly disabled?: boolean | undefined },
  ): Promise<PersonView>;
  endSessions(id: string): Promise<PersonView>;
  /**
   * Removes the account with its sessions and tokens. Its workshops go to `workshopsTo`; throws
   * `conflict` while it has any and nobody is named, and as above.
   */
  remove(asking: string, id: string, workshopsTo: string | undefined): Promise<void>;
}

export function createRoster(deps: { readonly database: Database; readonly now: () => number }): Roster {
  const { database, now } = deps;
  const { db } = database;

  const views = async (only?: string): Promise<PersonView[]> => {
    const live = new Date(now());
    const rows = await db
      .selectFrom('users')
      .select((select) => [
        'id',
        'name',
        'email',
        'role',
        'disabledAt',
        'createdAt',
        select
          .selectFrom('workshops')
          .whereRef('workshops.ownerId', '=', 'users.id')
          .where('workshops.wanted', '!=', 'gone')
          .select(({ fn }) => fn.countAll().as('n'))
          .as('workshops'),
        select
          .selectFrom('authSessions')
          .whereRef('authSessions.userId', '=', 'users.id')
          .where('authSessions.expiresAt', '>', live)
          .select(({ fn }) => fn.countAll().as('n'))
          .as('sessions'),
        select
          .selectFrom('authSessions')
          .whereRef('authSessions.userId', '=', 'users.id')
          .select(({ fn }) => fn.max('lastSeenAt').as('n'))
          .as('lastSeenAt'),
        select
          .selectFrom('authAccounts')
          .whereRef('authAccounts.userId', '=', 'users.id')
          .where('password', 'is not', null)
          .select(({ fn }) => fn.countAll().as('n'))
          .as('passwords'),
        select
          .selectFrom('authAccounts')
          .whereRef('authAccounts.userId', '=', 'users.id')
          .where('password', 'is', null)
          .select(({ fn }) => fn.countAll().as('n'))
          .as('providers'),
      ])
      .$if(only !== undefined, (query) => query.where('id', '=', only ?? ''))
      .orderBy('name')
      .orderBy('id')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      email: row.email,
      role: row.role,
      disabled: row.disabledAt !== null,
      workshops: Number(row.workshops),
      sessions: Number(row.sessions),
      hasPassword: Number(row.passwords) > 0,
      hasProvider: Number(row.providers) > 0,
      createdAt: new Date(row.createdAt).toISOString(),
      lastSeenAt: row.lastSeenAt ? new Date(Number(row.lastSeenAt)).toISOString() : null,
    }));
  };

  const view = async (id: string): Promise<PersonView> => {
    const [found] = await views(id);
    if (!found) throw noSuchPerson();
    return found;
  };

  /** Admins' rows are locked in one order, so two admins who demote each other cannot both succeed. */
  const adminsOf = (trx: Transaction<Schema>) =>
    trx
      .selectFrom('users')
      .select('id')
      .where('role', '=', 'admin')
      .where('disabledAt', 'is', null)
      .orderBy('id')
      .$if(database.rowLocks, (query) => query.forUpdate())
      .execute();

  const refuseIfLast = async (trx: Transaction<Schema>, id: string): Promise<void> => {
    const admins = await adminsOf(trx);
    if (admins.some((each) => each.id !== id) || !admins.some((each) => each.id === id)) return;
    throw new PublicError(
      'conflict',
      'This is the only admin. Nothing was changed; make somebody else an admin first.',
    );
  };

  return {
    list: () => views(),

    async change(asking, id, { role, disabled }) {
      if (disabled === true && asking === id) {
        throw new PublicError('conflict', 'You cannot disable your own account. Ask another admin.');
      }
      await database.transaction(async (trx) => {
        if (disabled === true || role === 'instructor') await refuseIfLast(trx, id);
        const { numUpdatedRows } = await trx
          .updateTable('users')
          .set({
            updatedAt: new Date(now()),
            ...(role === undefined ? {} : { role }),
            ...(disabled === undefined ? {} : { disabledAt: disabled ? now() : null }),
          })
          .where('id', '=', id)
          .executeTakeFirst();
        if (numUpdatedRows === 0n) throw noSuchPerson();
        if (disabled === true) await trx.deleteFrom('authSessions').where('userId', '=', id).execute();
      });
      return view(id);
    },

    async endSessions(id) {
      await db.deleteFrom('authSessions').where('userId', '=', id).execute();
      return view(id);
    },

    async remove(asking, id, workshopsTo) {
      if (asking === id) {
        throw new PublicError('conflict', 'You cannot remove your own account. Ask another admin.');
      }
      const { name } = await view(id);
      if (workshopsTo === id) throw noSuchHeir();
      await database.transaction(async (trx) => {
        await refuseIfLast(trx, id);
        const { n } = await trx
          .selectFrom('workshops')
          .select(({ fn }) => fn.countAll().as('n'))
          .where('ownerId', '=', id)
          .where('wanted', '!=', 'gone')
          .executeTakeFirstOrThrow();
        const workshops = Number(n);
        if (workshopsTo === undefined && workshops > 0) {
          throw new PublicError(
            'conflict',
            `${name} owns ${workshops === 1 ? 'a workshop' : `${workshops} workshops`}. Nothing was changed; ` +
              'hand them over to somebody, or have them deleted first.',
          );
        }
        const heir = await trx
          .selectFrom('users')
          .select('id')
          .where('id', '=', workshopsTo ?? asking)
          .where('disabledAt', 'is', null)
          .executeTakeFirst();
        if (!heir) throw noSuchHeir();
        // Workshops that are being deleted still need an owner until their seats are gone.
        const owned = trx.updateTable('workshops').set({ ownerId: heir.id }).where('ownerId', '=', id);
        await (workshopsTo === undefined ? owned.where('wanted', '=', 'gone') : owned).execute();
        await trx.deleteFrom('users').where('id', '=', id).execute();
      });
    },
  };
}

function noSuchPerson(): PublicError {
  return new PublicError('not_found', 'There is nobody with this id; the account may have been removed.');
}

function noSuchHeir(): PublicError {
  return new PublicError('invalid_input', 'Choose somebody else, whose account is not disabled.', {
    field: 'workshopsTo',
  });
}
