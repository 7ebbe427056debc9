import type { IncomingHttpHeaders } from 'node:http';
import { type Account, API_TOKEN_PREFIX, type accountBody, type Role } from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import { isAPIError } from 'better-auth/api';
import type { z } from 'zod';
import { type Mailer, noMailer } from '../mail/mailer.ts';
import type { Database } from '../store/database.ts';
import { type ApiTokens, createApiTokens, type TokenGrant } from './api-tokens.ts';
import { ACCOUNT_DISABLED, ADDRESS_HEADER, createAuth } from './auth.ts';
import { createEntry, type Entry, type From } from './entry.ts';
import { createPasswordGuesses } from './guesses.ts';
import { createInvitations, type Invitations } from './invitations.ts';
import { createMailedLinks } from './mailed-links.ts';
import { createPasswords } from './passwords.ts';
import { createProfile } from './profile.ts';
import { createRoster, type Roster } from './roster.ts';
import { createSessions, type Sessions } from './sessions.ts';
import { createSignInLinks } from './sign-in-links.ts';
import type { SignUp } from './sign-up.ts';

const LINK_TRUSTED_MS = 60 * 60 * 1000;

/** Somebody with an account, as a request has shown. */
export interface Person {
  readonly userId: string;
  readonly role: Role;
  readonly via:
    | ({ readonly kind: 'api-token'; readonly id: string } & TokenGrant)
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
  readonly entry: Entry;
  readonly invitations: Invitations;
  readonly roster: Roster;
  readonly sessions: Sessions;
  /** True until an admin has a password. */
  needsFirstSignIn(): Promise<boolean>;
  /**
   * A URL that signs in once, within a day: the first admin, or whoever has the e-mail address.
   * Opening it makes the account when there is none.
   */
  signInLink(email?: string): Promise<string>;
  /** Cookies of a new session; undefined for a link that is used, too old or made up. */
  openSignInLink(token: string, from: From): Promise<readonly string[] | undefined>;
  /**
   * Cookies of a new session. Throws `unauthenticated` or `too_many_attempts`; `forbidden` for the right
   * password of a disabled account.
   */
  signIn(
    credentials: { readonly email: string; readonly password: string },
    from: From,
  ): Promise<readonly string[]>;
  /** Cookies that end the session; without one, nothing happens. */
  signOut(headers: IncomingHttpHeaders): Promise<readonly string[]>;
  /** Who sent a request, by API token or session cookie; undefined for nobody we know. */
  authenticate(headers: IncomingHttpHeaders, address?: string): Promise<Person | undefined>;
  account(person: Person): Promise<Account>;
  /** A new password ends the person's other sessions. Throws `invalid_input`, `already_exists` or `too_many_attempts`. */
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
  /** Left out: no mail can be sent. */
  readonly mailer?: Mailer;
  /** Left out: closed. */
  readonly signUp?: SignUp;
  /** The name of the identity provider, where there is one. */
  readonly provider?: string | undefined;
  readonly onInvitationAccepted?: Parameters<typeof createInvitations>[0]['onAccepted'];
}): People {
  const { database, now, publicUrl, mailer = noMailer, signUp = { kind: 'closed' } } = deps;
  const { db } = database;
  const auth = createAuth({
    ...deps,
    log: (level, message) => {
      if (level === 'error') deps.onError(new Error(`better-auth: ${message}`));
    },
  });
  const links = createSignInLinks({ ...deps, auth });
  const tokens = createApiTokens(deps);
  const passwords = createPasswords(auth);
  const sessions = createSessions(deps);
  const invitations = createInvitations({ ...deps, mailer, onAccepted: deps.onInvitationAccepted });
  const mailedLinks = createMailedLinks({ ...deps, auth });
  const guesses = createPasswordGuesses({
    secret: deps.secret,
    secure: publicUrl.startsWith('https:'),
    now,
  });

  /** better-auth hides a database that is away behind an error of its own. */
  const asked = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (isAPIError(error) && error.body?.code === ACCOUNT_DISABLED) {
        throw new PublicError('forbidden', 'This account is disabled. Ask an admin to enable it.', {
          cause: error,
        });
      }
      if (isAPIError(error) && error.statusCode >= 500) {
        await database.ping();
        throw new Error('better-auth failed.', { cause: error });
      }
      throw error;
    }
  };

  const openSession: Parameters<typeof createEntry>[0]['openSession'] = (user, opened) =>
    asked(async () => {
      const { headers } = await auth.api.openSessionByLink({
        body: { userId: user.id, byLink: opened.byLink },
        headers: webHeaders(opened.headers, opened.address),
        returnHeaders: true,
      });
      return [...headers.getSetCookie(), guesses.deviceCookie(user.email)];
    });

  const entry = createEntry({
    ...deps,
    auth,
    links: mailedLinks,
    invitations,
    passwords,
    mailer,
    signUp,
    provider: deps.provider,
    openSession,
  });

  const profile = createProfile({ ...deps, entry, mailedLinks, links, passwords, guesses, sessions, mailer });

  return {
    tokens,
    entry,
    invitations,
    roster: createRoster(deps),
    sessions,
    account: profile.account,
    updateAccount: profile.update,

    async needsFirstSignIn() {
      const row = await db
        .selectFrom('users')
        .innerJoin('authAccounts', 'authAccounts.userId', 'users.id')
        .select('users.id')
        .where('role', '=', 'admin')
        .where('password', 'is not', null)
        .limit(1)
        .executeTakeFirst();
      return row === undefined;
    },

    signInLink: (email) => links.create(email),

    async openSignInLink(token, from) {
      const userId = await asked(() => links.redeem(token));
      if (userId === undefined) return undefined;
      const email = await profile.addressOf(userId);
      return openSession({ id: userId, email }, { ...from, byLink: true });
    },

    async signIn({ email, password }, from) {
      const opened = await guesses.signIn(
        { email, ...from },
        () =>
          asked(() =>
            auth.api.signInEmail({
              body: { email, password },
              headers: webHeaders(from.headers, from.address),
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
      return [...opened.headers.getSetCookie(), guesses.deviceCookie(email)];
    },

    signOut: (headers) =>
      asked(async () => {
        const closed = await auth.api.signOut({ headers: webHeaders(headers), returnHeaders: true });
        return closed.headers.getSetCookie();
      }),

    async authenticate(headers, address) {
      const { authorization, cookie } = headers;
      if (authorization !== undefined) {
        const sent = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
        const found = sent?.startsWith(API_TOKEN_PREFIX) ? await tokens.find(sent) : undefined;
        if (!found) return undefined;
        const { userId, role, ...token } = found;
        return { userId, role, via: { kind: 'api-token', ...token }, cookies: [] };
      }
      if (cookie === undefined) return undefined;
      const { response, headers: answered } = await asked(() =>
        auth.api.getSession({ headers: webHeaders(headers), returnHeaders: true }),
      );
      if (!response) return undefined;
      const { user, session } = response;
      if (user.disabledAt != null) return undefined;
      await sessions.seen({ id: session.id, lastSeenAt: session.lastSeenAt ?? null }, address);
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

    firstAdmin: () => links.firstAdmin(),
  };
}

function webHeaders(headers: IncomingHttpHeaders, address?: string): Headers {
  const result = new Headers();
  if (headers.cookie !== undefined) result.set('cookie', headers.cookie);
  if (headers['user-agent'] !== undefined) result.set('user-agent', headers['user-agent']);
  if (address !== undefined) result.set(ADDRESS_HEADER, address);
  return result;
}
