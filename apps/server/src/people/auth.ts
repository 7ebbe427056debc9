import { randomUUID } from 'node:crypto';
import { betterAuth } from 'better-auth';
import { createAuthEndpoint } from 'better-auth/api';
import { setSessionCookie } from 'better-auth/cookies';
import { z } from 'zod';
import type { Database } from '../store/database.ts';

const DAY_SECONDS = 24 * 60 * 60;
const SESSION_SECONDS = 14 * DAY_SECONDS;

/**
 * better-auth over our tables. Only its server-side calls are used; the routes, their errors, the
 * check of origins and the limit on guesses are the HTTP edge's.
 */
export function createAuth(deps: {
  readonly database: Database;
  /** An origin; cookies are Secure when it is https. */
  readonly publicUrl: string;
  readonly secret: Buffer;
  readonly log: (level: 'error' | 'warn', message: string) => void;
}) {
  const { database, publicUrl } = deps;
  const secure = publicUrl.startsWith('https:');
  return betterAuth({
    appName: 'ClaraTeach',
    baseURL: publicUrl,
    basePath: '/api/auth',
    secret: deps.secret.toString('base64url'),
    database: { db: database.db, type: database.kind === 'postgresql' ? 'postgres' : 'sqlite' },
    user: {
      modelName: 'users',
      additionalFields: {
        role: { type: 'string', required: true, input: false, defaultValue: 'instructor' },
      },
    },
    session: {
      modelName: 'authSessions',
      expiresIn: SESSION_SECONDS,
      updateAge: DAY_SECONDS,
      additionalFields: {
        byLink: { type: 'boolean', required: true, input: false, defaultValue: false },
      },
    },
    account: { modelName: 'authAccounts' },
    verification: { modelName: 'authVerifications' },
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: 10,
      maxPasswordLength: 128,
    },
    advanced: {
      // `__Host-` binds the cookie to this very host, so that no preview below the domain can set it.
      cookies: {
        session_token: { name: secure ? '__Host-clarateach-session' : 'clarateach-session' },
        dont_remember: {
          name: secure ? '__Host-clarateach-dont-remember' : 'clarateach-dont-remember',
        },
      },
      useSecureCookies: false,
      defaultCookieAttributes: { httpOnly: true, sameSite: 'lax', secure, path: '/' },
      ipAddress: { disableIpTracking: true },
      database: { generateId: () => randomUUID() },
    },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    logger: {
      level: 'error',
      log: (level, message) => deps.log(level === 'warn' ? 'warn' : 'error', message),
    },
    plugins: [sessionByLink],
  });
}

export type Auth = ReturnType<typeof createAuth>;

/** Opens a session for somebody who has shown a sign-in link. Never a route. */
const sessionByLink = {
  id: 'session-by-link',
  endpoints: {
    openSessionByLink: createAuthEndpoint.serverOnly(
      { method: 'POST', body: z.object({ userId: z.string() }) },
      async (ctx) => {
        const { internalAdapter } = ctx.context;
        const user = await internalAdapter.findUserById(ctx.body.userId);
        if (!user) throw new Error('The user of a sign-in link is gone.');
        const session = await internalAdapter.createSession(user.id, false, { byLink: true }, true);
        await setSessionCookie(ctx, { session, user });
        return ctx.json({ opened: true });
      },
    ),
  },
} as const;
