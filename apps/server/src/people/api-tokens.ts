import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { API_TOKEN_PREFIX, type ApiToken, type Role } from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import type { Database } from '../store/database.ts';
import type { ApiTokensTable } from '../store/people-schema.ts';

const HINT_LENGTH = API_TOKEN_PREFIX.length + 4;
const USE_NOTED_EVERY_MS = 60_000;

/** What programs sign in with. Only hashes are kept; 256 random bits need no slow hash. */
export interface ApiTokens {
  list(userId: string): Promise<ApiToken[]>;
  create(userId: string, name: string): Promise<ApiToken & { readonly token: string }>;
  /** Throws `not_found`, also for another's token. */
  revoke(userId: string, id: string): Promise<void>;
  /** Whose token this is; undefined for one that is not, or no longer, good. */
  find(
    token: string,
  ): Promise<{ readonly id: string; readonly userId: string; readonly role: Role } | undefined>;
}

export function createApiTokens(deps: {
  readonly database: Database;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): ApiTokens {
  const { now } = deps;
  const { db } = deps.database;

  const noteUse = async (id: string, lastUsedAt: number | null): Promise<void> => {
    if (lastUsedAt !== null && now() - lastUsedAt < USE_NOTED_EVERY_MS) return;
    try {
      await db.updateTable('apiTokens').set({ lastUsedAt: now() }).where('id', '=', id).execute();
    } catch (error) {
      // A full disk must not lock programs out that only read.
      deps.onError(error);
    }
  };

  return {
    async list(userId) {
      const rows = await db
        .selectFrom('apiTokens')
        .selectAll()
        .where('userId', '=', userId)
        .orderBy('createdAt', 'desc')
        .orderBy('id')
        .execute();
      return rows.map(asApiToken);
    },

    async create(userId, name) {
      const token = `${API_TOKEN_PREFIX}${randomBytes(32).toString('base64url')}`;
      const row: ApiTokensTable = {
        id: randomUUID(),
        userId,
        name,
        hash: hashOf(token),
        hint: `${token.slice(0, HINT_LENGTH)}…`,
        createdAt: now(),
        lastUsedAt: null,
      };
      await db.insertInto('apiTokens').values(row).execute();
      return { ...asApiToken(row), token };
    },

    async revoke(userId, id) {
      const { numDeletedRows } = await db
        .deleteFrom('apiTokens')
        .where('id', '=', id)
        .where('userId', '=', userId)
        .executeTakeFirst();
      if (numDeletedRows === 0n) throw new PublicError('not_found', 'You have no API token with this id.');
    },

    async find(token) {
      const row = await db
        .selectFrom('apiTokens')
        .innerJoin('users', 'users.id', 'apiTokens.userId')
        .select(['apiTokens.id', 'apiTokens.userId', 'apiTokens.lastUsedAt', 'users.role'])
        .where('hash', '=', hashOf(token))
        .executeTakeFirst();
      if (!row) return undefined;
      await noteUse(row.id, row.lastUsedAt);
      return { id: row.id, userId: row.userId, role: row.role };
    },
  };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function asApiToken({ id, name, hint, createdAt, lastUsedAt }: ApiTokensTable): ApiToken {
  return {
    id,
    name,
    hint,
    createdAt: new Date(createdAt).toISOString(),
    lastUsedAt: lastUsedAt === null ? null : new Date(lastUsedAt).toISOString(),
  };
}
