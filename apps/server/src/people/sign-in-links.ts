import { createHash, randomBytes } from 'node:crypto';
import type { Database } from '../store/database.ts';
import { isUniqueViolation } from '../store/database.ts';
import type { Auth } from './auth.ts';

const IDENTIFIER = 'sign-in-link:';
const LIFETIME_MS = 24 * 60 * 60 * 1000;
/** Of the first admin, until they give a name and an address of their own. */
const FIRST_ADMIN = { name: 'Administrator', email: '' };

export const SIGN_IN_LINK_PATH = '/api/auth/link';

/** Links that are good once, for a day. Only their hashes are kept. */
export interface SignInLinks {
  /** For the first admin, or for whoever has the e-mail address; opening it makes the account. */
  create(email?: string): Promise<string>;
  /** The user whom the link signs in; undefined for one that is used, too old or made up. */
  redeem(token: string): Promise<string | undefined>;
  /** The links for the first admin are good no longer: they have chosen how to sign in. */
  forgetFirst(): Promise<void>;
  /** The id of the first admin, who is made when there is none. */
  firstAdmin(): Promise<string>;
}

export function createSignInLinks(deps: {
  readonly database: Database;
  readonly auth: Auth;
  readonly publicUrl: string;
  readonly now: () => number;
}): SignInLinks {
  const { database, auth, publicUrl, now } = deps;
  const { db } = database;
  const internalAdapter = async () => (await auth.$context).internalAdapter;

  const findAdmin = () =>
    db
      .selectFrom('users')
      .select('id')
      .where('role', '=', 'admin')
      .where('disabledAt', 'is', null)
      .orderBy('createdAt')
      .orderBy('id')
      .executeTakeFirst();

  const userOf = (email: string) =>
    db.selectFrom('users').select('id').where('email', '=', email).executeTakeFirst();

  /** Two links opened at once make one account: the other finds it under the same address. */
  const ensureUser = async (user: { name: string; email: string }): Promise<string> => {
    const known = await userOf(user.email);
    if (known) return known.id;
    const role = (await findAdmin()) ? 'instructor' : 'admin';
    try {
      const made = await (await internalAdapter()).createUser(
        { ...user, role, emailVerified: true },
        { method: 'magic-link' },
      );
      return made.id;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const other = await userOf(user.email);
      if (!other) throw error;
      return other.id;
    }
  };

  const firstAdmin = async () => (await findAdmin())?.id ?? ensureUser(FIRST_ADMIN);

  return {
    firstAdmin,

    async create(email) {
      await db.deleteFrom('authVerifications').where('expiresAt', '<', new Date(now())).execute();
      const token = randomBytes(24).toString('base64url');
      await (await internalAdapter()).createVerificationValue({
        identifier: identifierOf(token),
        value: linkValue(email),
        expiresAt: new Date(now() + LIFETIME_MS),
      });
      return `${publicUrl}${SIGN_IN_LINK_PATH}?token=${token}`;
    },

    async redeem(token) {
      const found = await (await internalAdapter()).consumeVerificationValue(identifierOf(token));
      if (!found) return undefined;
      const { email } = JSON.parse(found.value) as { email: string | null };
      if (email !== null) return ensureUser({ name: email.split('@', 1)[0] ?? email, email });
      return firstAdmin();
    },

    async forgetFirst() {
      await db
        .deleteFrom('authVerifications')
        .where('identifier', 'like', `${IDENTIFIER}%`)
        .where('value', '=', linkValue(undefined))
        .execute();
    },
  };
}

function identifierOf(token: string): string {
  return IDENTIFIER + createHash('sha256').update(token).digest('hex');
}

function linkValue(email: string | undefined): string {
  return JSON.stringify({ email: email?.toLowerCase() ?? null });
}
