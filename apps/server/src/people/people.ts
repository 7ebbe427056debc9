import type { IncomingHttpHeaders } from 'node:http';
import { type Account, API_TOKEN_PREFIX, type accountBody, type Role } from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import { isAPIError } from 'better-auth/api';
import type { z } from 'zod';
import { type Attempts, addressKey, createAttempts } from '../attempts.ts';
import { type Database, isUniqueViolation } from '../store/database.ts';
import { type ApiTokens, createApiTokens } from './api-tokens.ts';
import { createAuth } from './auth.ts';
import { createSignInLinks } from './sign-in-links.ts';

const CREDENTIAL = 'credential';
/** better-auth's name for accounts that no identity provider vouches for. */
const CREDENTIAL_ISSUER = 'local:credential';
const LINK_TRUSTED_MS = 60 * 60 * 1000;

/** Somebody with an account, as a request has shown. */
export interface Person {
  readonly userId: string;
  readonly role: Role;
  readonly via:
    | { readonly kind: 'api-token'; readonly id: string }
    | {
        readonly kind: 'session';
        readonly token: string;
        /** Came by a sign-in link within the hour: may set a password without the old one. */
        readonly byLink: boolean;
      };
  /** `Set-Cookie` headers that go with the answer. */
  readonly cookies: readonly string[];
}

/** Instructors' accounts. */
export interface People {
  readonly tokens: ApiTokens;
  /** True until an admin has a password. */
  needsFirstSignIn(): Promise<boolean>;
  /**
   * A URL that signs in once, within a day: the first admin, or whoever has the e-mail address.
   * Opening it makes the account when there is none.
   */
  signInLink(email?: string): Promise<string>;
  /** Cookies of a new session; undefined for a link that is used, too old or made up. */
  openSignInLink(token: string, headers: IncomingHttpHeaders): Promise<readonly string[] | undefined>;
  /** Cookies of a new session. Throws `unauthenticated` or `too_many_attempts`. */
  signIn(
    credentials: { readonly email: string; readonly password: string },
    request: { readonly headers: IncomingHttpHeaders; readonly address: string },
  ): Promise<readonly string[]>;
  /** Cookies that end the session; without one, nothing happens. */
  signOut(headers: IncomingHttpHeaders): Promise<readonly string[]>;
  /** Who sent a request, by API token or session cookie; undefined for nobody we know. */
  authenticate(headers: IncomingHttpHeaders): Promise<Person | undefined>;
  account(person: Person): Promise<Account>;
  /** Ends the person's other sessions. Throws `invalid_input`, `already_exists` or `too_many_attempts`. */
  updateAccount(person: Person, body: z.infer<typeof accountBody>): Promise<Account>;
  /** The id of the first admin, who is made when there is none: for the operator at the machine. */
  firstAdmin(): Promise<string>;
}

export function createPeople(deps: {
  readonly database: Database;
  readonly publicUrl: string;
  readonly secret: Buffer;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): People {
  const { database, now } = deps;
  const { db } = database;
  const auth = createAuth({
    ...deps,
    log: (level, message) => {
      if (level === 'error') deps.onError(new Error(`better-auth: ${message}`));
    },
  });
  const links = createSignInLinks({ ...deps, auth });
  const tokens = createApiTokens(deps);
  const guesses = {
    byAddress: createAttempts({ burst: 30, perMinute: 30, now }),
    byAddressAndAccount: createAttempts({ burst: 5, perMinute: 5, now }),
    byAccount: createAttempts({ burst: 100, perMinute: 20, now }),
  };

  /** better-auth hides a database that is away behind an error of its own. */
  const asked = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (isAPIError(error) && error.statusCode >= 500) {
        await database.ping();
        throw new Error('better-auth failed.', { cause: error });
      }
      throw error;
    }
  };

  const credential = async (userId: string) =>
    (await auth.$context).internalAdapter.findCredentialAccount(userId);

  const load = async (userId: string) => {
    const user = await db
      .selectFrom('users')
      .select(['id', 'name', 'email', 'role'])
      .where('id', '=', userId)
      .executeTakeFirst();
    if (!user) throw new PublicError('unauthenticated', 'This account is gone.');
    return user;
  };

  const account = async ({ userId, via }: Person): Promise<Account> => {
    const user = await load(userId);
    const chosen = Boolean((await credential(userId))?.password);
    return { ...user, hasPassword: chosen && !(via.kind === 'session' && via.byLink) };
  };

  const checkCurrentPassword = async ({ userId, via }: Person, current: string | undefined) => {
    const hash = (await credential(userId))?.password;
    if (!hash || (via.kind === 'session' && via.byLink)) return;
    if (current === undefined || current === '') {
      throw new PublicError('invalid_input', 'Type your current password to change your account.', {
        field: 'currentPassword',
      });
    }
    const { password } = await auth.$context;
    const right = await limited(
      [[guesses.byAddressAndAccount, `account ${userId}`]],
      () => password.verify({ hash, password: current }),
      (verified) => verified,
    );
    if (!right) {
      throw new PublicError('invalid_input', 'This is not your current password.', {
        field: 'currentPassword',
      });
    }
  };

  const setPassword = async (userId: string, password: string) => {
    const context = await auth.$context;
    const hash = await context.password.hash(password);
    if (await credential(userId)) {
      await context.internalAdapter.updatePassword(userId, hash);
      return;
    }
    await context.internalAdapter.linkAccount({
      userId,
      providerId: CREDENTIAL,
      issuer: CREDENTIAL_ISSUER,
      accountId: userId,
      password: hash,
    });
  };

  return {
    tokens,
    account,

    async needsFirstSignIn() {
      const row = await db
        .selectFrom('users')
        .innerJoin('authAccounts', 'authAccounts.userId', 'users.id')
        .select('users.id')
        .where('role', '=', 'admin')
        .where('providerId', '=', CREDENTIAL)
        .where('password', 'is not', null)
        .limit(1)
        .executeTakeFirst();
      return row === undefined;
    },

    signInLink: (email) => links.create(email),

    openSignInLink: (token, headers) =>
      asked(async () => {
        const userId = await links.redeem(token);
        if (userId === undefined) return undefined;
        const opened = await auth.api.openSessionByLink({
          body: { userId },
          headers: webHeaders(headers),
          returnHeaders: true,
        });
        return opened.headers.getSetCookie();
      }),

    async signIn({ email, password }, { headers, address }) {
      const from = addressKey(address);
      const known = email.toLowerCase();
      const opened = await limited(
        [
          [guesses.byAddress, from],
          [guesses.byAddressAndAccount, `${known} ${from}`],
          [guesses.byAccount, known],
        ],
        () =>
          asked(() =>
            auth.api.signInEmail({
              body: { email, password },
              headers: webHeaders(headers),
              returnHeaders: true,
            }),
          ).catch((error) => {
            if (isAPIError(error)) return undefined;
            throw error;
          }),
        (result) => result !== undefined,
      );
      if (!opened) {
        throw new PublicError(
          'unauthenticated',
          'E-mail address or password is wrong. Check both and try again.',
        );
      }
      await db.deleteFrom('authSessions').where('expiresAt', '<', new Date(now())).execute();
      return opened.headers.getSetCookie();
    },

    signOut: (headers) =>
      asked(async () => {
        const closed = await auth.api.signOut({ headers: webHeaders(headers), returnHeaders: true });
        return closed.headers.getSetCookie();
      }),

    async authenticate(headers) {
      const { authorization, cookie } = headers;
      if (authorization !== undefined) {
        const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
        const found = token?.startsWith(API_TOKEN_PREFIX) ? await tokens.find(token) : undefined;
        if (!found) return undefined;
        const { id, userId, role } = found;
        return { userId, role, via: { kind: 'api-token', id }, cookies: [] };
      }
      if (cookie === undefined) return undefined;
      const { response, headers: answered } = await asked(() =>
        auth.api.getSession({ headers: webHeaders(headers), returnHeaders: true }),
      );
      if (!response) return undefined;
      const { user, session } = response;
      return {
        userId: user.id,
        role: user.role === 'admin' ? 'admin' : 'instructor',
        via: {
          kind: 'session',
          token: session.token,
          byLink: session.byLink && now() - session.createdAt.getTime() < LINK_TRUSTED_MS,
        },
        cookies: answered.getSetCookie(),
      };
    },

    async updateAccount(person, { name, email, password, currentPassword }) {
      const { userId, via } = person;
      await checkCurrentPassword(person, currentPassword);
      try {
        await db
          .updateTable('users')
          .set({ name, email: email.toLowerCase(), updatedAt: new Date(now()) })
          .where('id', '=', userId)
          .execute();
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new PublicError('already_exists', 'Another account has this e-mail address.', {
          field: 'email',
          cause: error,
        });
      }
      await setPassword(userId, password);
      const kept = via.kind === 'session' ? via.token : '';
      // Whoever else was signed in as this person, rightly or not, has to know the new password.
      await db.deleteFrom('authSessions').where('userId', '=', userId).where('token', '!=', kept).execute();
      await db.updateTable('authSessions').set({ byLink: false }).where('token', '=', kept).execute();
      await links.forgetFirst();
      const user = await load(userId);
      return { ...user, hasPassword: true };
    },

    firstAdmin: () => links.firstAdmin(),
  };
}

/** Counts a guess before it is made, so that many at once cannot slip through, and forgives a right one. */
async function limited<T>(
  keys: readonly (readonly [Attempts, string])[],
  guess: () => Promise<T>,
  isRight: (result: T) => boolean,
): Promise<T> {
  for (const [attempts, key] of keys) attempts.check(key);
  for (const [attempts, key] of keys) attempts.count(key);
  let right = true;
  try {
    const result = await guess();
    right = isRight(result);
    return result;
  } finally {
    // A failure of our own is nobody's guess either.
    if (right) for (const [attempts, key] of keys) attempts.forgive(key);
  }
}

function webHeaders(headers: IncomingHttpHeaders): Headers {
  const result = new Headers();
  if (headers.cookie !== undefined) result.set('cookie', headers.cookie);
  if (headers['user-agent'] !== undefined) result.set('user-agent', headers['user-agent']);
  return result;
}
