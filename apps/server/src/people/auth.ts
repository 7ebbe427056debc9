import { randomUUID } from 'node:crypto';
import { MIN_PASSWORD_LENGTH } from '@clarateach/contract/account';
import { type BetterAuthOptions, betterAuth } from 'better-auth';
import { APIError, createAuthEndpoint } from 'better-auth/api';
import { setSessionCookie } from 'better-auth/cookies';
import { z } from 'zod';
import type { Database } from '../store/database.ts';

const DAY_SECONDS = 24 * 60 * 60;
const SESSION_SECONDS = 14 * DAY_SECONDS;

/** A better-auth error of ours: the right person, but an admin has disabled the account. */
export const ACCOUNT_DISABLED = 'account_disabled';
/** Carries the client's network address to where sessions are made; set by the edge, never taken from outside. */
export const ADDRESS_HEADER = 'x-clarateach-address';

export interface AuthDeps {
  readonly database: Database;
  /** An origin; cookies are Secure when it is https. */
  readonly publicUrl: string;
  readonly secret: Buffer;
  readonly log: (level: 'error' | 'warn', message: string) => void;
}

/**
 * better-auth over our tables. Only its server-side calls are used; the routes, their errors, the
 * check of origins and the limit on guesses are the HTTP edge's.
 */
export function createAuth(deps: AuthDeps) {
  return betterAuth({ ...authOptions(deps), plugins: [sessionByLink] });
}

export function authOptions({ database, publicUrl, secret, log }: AuthDeps) {
  const secure = publicUrl.startsWith('https:');
  // `__Host-` binds a cookie to this very host, so that no preview below the domain can set it.
  const cookie = (name: string) => ({ name: `${secure ? '__Host-' : ''}clarateach-${name}` });
  return {
    appName: 'ClaraTeach',
    baseURL: publicUrl,
    basePath: '/api/auth',
    secret: secret.toString('base64url'),
    database: { db: database.db, type: database.kind === 'postgresql' ? 'postgres' : 'sqlite' },
    user: {
      modelName: 'users',
      additionalFields: {
        role: { type: 'string', required: true, input: false, defaultValue: 'instructor' },
        disabledAt: { type: 'number', bigint: true, required: false, input: false },
      },
    },
    session: {
      modelName: 'authSessions',
      expiresIn: SESSION_SECONDS,
      updateAge: DAY_SECONDS,
      additionalFields: {
        byLink: { type: 'boolean', required: true, input: false, defaultValue: false },
        lastSeenAt: { type: 'number', bigint: true, required: false, input: false },
      },
    },
    account: { modelName: 'authAccounts', updateAccountOnSignIn: false },
    verification: { modelName: 'authVerifications' },
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: MIN_PASSWORD_LENGTH,
      maxPasswordLength: 128,
    },
    databaseHooks: {
      session: {
        create: {
          // The one place that every way in goes through.
          before: async (session, context) => {
            const user = await database.db
              .selectFrom('users')
              .select('disabledAt')
              .where('id', '=', session.userId)
              .executeTakeFirst();
            if (user && user.disabledAt !== null) {
              throw new APIError('FORBIDDEN', {
                code: ACCOUNT_DISABLED,
                message: 'This account is disabled.',
              });
            }
            return { data: { ...session, ipAddress: context?.headers?.get(ADDRESS_HEADER) ?? null } };
          },
        },
      },
    },
    advanced: {
      cookies: {
        session_token: cookie('session'),
        dont_remember: cookie('dont-remember'),
        state: cookie('state'),
      },
      useSecureCookies: false,
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax', secure, path: '/' },
      ipAddress: { disableIpTracking: true },
      database: { generateId: () => randomUUID() },
    },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: { level: 'error', log: (level, message) => log(level === 'warn' ? 'warn' : 'error', message) },
  } as const satisfies BetterAuthOptions;
}

export type Auth = ReturnType<typeof createAuth>;

/** Opens a session for somebody who has shown a sign-in link. Never a route. */
const sessionByLink = {
  id: 'session-by-link',
  endpoints: {
    openSessionByLink: createAuthEndpoint.serverOnly(
      { method: 'POST', body: z.object({ userId: z.string(), byLink: z.boolean() }) },
      async (ctx) => {
        const { internalAdapter } = ctx.context;
        const user = await internalAdapter.findUserById(ctx.body.userId);
        if (!user) throw new Error('The user of a sign-in link is gone.');
        const session = await internalAdapter.createSession(
          user.id,
          false,
          { byLink: ctx.body.byLink },
          true,
        );
        await setSessionCookie(ctx, { session, user });
        return ctx.json({ opened: true });
      },
    ),
  },
} as const;
