import { createHash, randomBytes, randomUUID } from 'node:crypto';
import {
  API_TOKEN_PREFIX,
  type ApiToken,
  type CreateTokenBody,
  type Role,
  type TokenScope,
  tokenScope,
} from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import type { Database } from '../store/database.ts';
import type { ApiTokensTable } from '../store/people-schema.ts';

const HINT_LENGTH = API_TOKEN_PREFIX.length + 4;
const USE_NOTED_EVERY_MS = 60_000;
const DAY_MS = 24 * 60 * 60 * 1000;
const FOR_EVERYBODY: readonly TokenScope[] = ['workshops:read', 'workshops:write', 'account'];

/** What programs sign in with. Only hashes are kept; 256 random bits need no slow hash. */
export interface ApiTokens {
  list(userId: string): Promise<ApiToken[]>;
  /**
   * Throws `invalid_input` for a scope that its owner's role does not have, or that goes beyond the
   * token it is made with (`within`).
   */
  create(
    userId: string,
    wanted: CreateTokenBody,
    within?: TokenGrant,
  ): Promise<ApiToken & { readonly token: string }>;
  /** Throws `not_found`, also for another's token. */
  revoke(userId: string, id: string): Promise<void>;
  /** Whose token this is; undefined for one that is not, or no longer, good. */
  find(token: string): Promise<FoundToken | undefined>;
}

/** What a token may do, and until when (milliseconds since the epoch). */
export interface TokenGrant {
  readonly scopes: readonly TokenScope[];
  readonly expiresAt: number | null;
}

interface FoundToken extends TokenGrant {
  readonly id: string;
  readonly userId: string;
  readonly role: Role;
}

/** Whether a token with these scopes may call what needs `scope`. */
export function grants(scopes: readonly TokenScope[], scope: TokenScope): boolean {
  return scopes.includes(scope) || (scope === 'workshops:read' && scopes.includes('workshops:write'));
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

    async create(userId, { name, scopes: asked, expiresInDays }, within) {
      const { role } = await db
        .selectFrom('users')
        .select('role')
        .where('id', '=', userId)
        .executeTakeFirstOrThrow();
      const possible = (role === 'admin' ? tokenScope.options : FOR_EVERYBODY).filter(
        (scope) => !within || grants(within.scopes, scope),
      );
      const scopes = asked ?? possible;
      for (const scope of scopes) {
        if (possible.includes(scope)) continue;
        throw new PublicError(
          'invalid_input',
          scope === 'admin' && role !== 'admin'
            ? 'Only an admin can make a token with the scope admin.'
            : `A token cannot make one that may do more: it lacks the scope ${scope}.`,
          { field: 'scopes' },
        );
      }
      const createdAt = now();
      const wanted = expiresInDays === undefined ? null : createdAt + expiresInDays * DAY_MS;
      const token = `${API_TOKEN_PREFIX}${randomBytes(32).toString('base64url')}`;
      const row: ApiTokensTable = {
        id: randomUUID(),
        userId,
        name,
        hash: hashOf(token),
        hint: `${token.slice(0, HINT_LENGTH)}…`,
        scopes: tokenScope.options.filter((scope) => scopes.includes(scope)).join(' '),
        createdAt,
        expiresAt: earlier(wanted, within?.expiresAt ?? null),
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
        .select(['apiTokens.scopes', 'apiTokens.expiresAt'])
        .where('hash', '=', hashOf(token))
        .where('users.disabledAt', 'is', null)
        .executeTakeFirst();
      if (!row || (row.expiresAt !== null && row.expiresAt <= now())) return undefined;
      await noteUse(row.id, row.lastUsedAt);
      const { id, userId, role, expiresAt } = row;
      return { id, userId, role, expiresAt, scopes: scopesOf(row.scopes) };
    },
  };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** A scope that this version does not know grants nothing. */
function scopesOf(kept: string): TokenScope[] {
  const names = kept.split(' ');
  return tokenScope.options.filter((scope) => names.includes(scope));
}

function earlier(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

function asApiToken({ id, name, hint, scopes, createdAt, expiresAt, lastUsedAt }: ApiTokensTable): ApiToken {
  return {
    id,
    name,
    hint,
    scopes: scopesOf(scopes),
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: instantOf(expiresAt),
    lastUsedAt: instantOf(lastUsedAt),
  };
}

function instantOf(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
