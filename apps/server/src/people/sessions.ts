import type { AccountSession } from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import type { Database } from '../store/database.ts';

const SEEN_NOTED_EVERY_MS = 60_000;

/** The browsers that somebody is signed in with. */
export interface Sessions {
  /** The one that asks first, then by when they were last seen. */
  list(userId: string, current: string | undefined): Promise<AccountSession[]>;
  /** Throws `not_found`, also for another's session. */
  end(userId: string, id: string): Promise<void>;
  /** All but the one with the token; gives how many. */
  endOthers(userId: string, kept: string | undefined): Promise<number>;
  /** Notes that a session was used, once a minute at most. */
  seen(
    session: { readonly id: string; readonly lastSeenAt: number | null },
    address: string | undefined,
  ): Promise<void>;
}

export function createSessions(deps: {
  readonly database: Database;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): Sessions {
  const { now } = deps;
  const { db } = deps.database;
  return {
    async list(userId, current) {
      const rows = await db
        .selectFrom('authSessions')
        .select(['id', 'token', 'userAgent', 'ipAddress', 'createdAt', 'lastSeenAt'])
        .where('userId', '=', userId)
        .where('expiresAt', '>', new Date(now()))
        .execute();
      return rows
        .map((row) => {
          const createdAt = new Date(row.createdAt);
          return {
            id: row.id,
            current: row.token === current,
            device: row.userAgent ?? '',
            address: row.ipAddress || null,
            createdAt: createdAt.toISOString(),
            lastSeenAt: new Date(row.lastSeenAt ?? createdAt).toISOString(),
          };
        })
        .sort(
          (one, other) =>
            Number(other.current) - Number(one.current) || other.lastSeenAt.localeCompare(one.lastSeenAt),
        );
    },

    async end(userId, id) {
      const { numDeletedRows } = await db
        .deleteFrom('authSessions')
        .where('id', '=', id)
        .where('userId', '=', userId)
        .executeTakeFirst();
      if (numDeletedRows === 0n)
        throw new PublicError('not_found', 'You have no session with this id; it may have ended.');
    },

    async endOthers(userId, kept) {
      const { numDeletedRows } = await db
        .deleteFrom('authSessions')
        .where('userId', '=', userId)
        .where('token', '!=', kept ?? '')
        .executeTakeFirst();
      return Number(numDeletedRows);
    },

    async seen({ id, lastSeenAt }, address) {
      if (lastSeenAt !== null && now() - lastSeenAt < SEEN_NOTED_EVERY_MS) return;
      try {
        await db
          .updateTable('authSessions')
          .set({ lastSeenAt: now(), ...(address === undefined ? {} : { ipAddress: address }) })
          .where('id', '=', id)
          .execute();
      } catch (error) {
        // A full disk must not shut people out who only read.
        deps.onError(error);
      }
    },
  };
}
