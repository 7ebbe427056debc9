import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Database } from '../store/database.ts';
import type { Auth } from './auth.ts';

/** What their rows in `authVerifications` begin with. */
export const MAILED_LINK = 'mailed-link:';
const MINUTE_MS = 60_000;
/** The page of the web app that uses a link. The token stands behind `#`, which no server or proxy is sent. */
const LINK_PAGE = '/enter';

/** What a link that was mailed is good for, and whom it was mailed to. */
const subject = z.discriminatedUnion('purpose', [
  z.object({ purpose: z.literal('sign-in'), userId: z.string(), email: z.string() }),
  z.object({ purpose: z.literal('reset-password'), userId: z.string(), email: z.string() }),
  z.object({ purpose: z.literal('confirm-address'), userId: z.string(), email: z.string() }),
  z.object({ purpose: z.literal('sign-up'), email: z.string(), name: z.string() }),
]);
export type LinkSubject = z.infer<typeof subject>;

/** Short where the link alone lets somebody into an account that exists. */
export const LINK_MINUTES = {
  'sign-in': 15,
  'reset-password': 60,
  'confirm-address': 24 * 60,
  'sign-up': 24 * 60,
} as const satisfies Record<LinkSubject['purpose'], number>;

/** Links that are good once and for a while. Only their hashes are kept. */
export interface MailedLinks {
  create(subject: LinkSubject): Promise<string>;
  /** What the link is for, without using it; undefined for one that is used, too old or made up. */
  look(token: string): Promise<LinkSubject | undefined>;
  /** Uses the link: of several who try at once, one gets it. */
  redeem(token: string): Promise<LinkSubject | undefined>;
  /** Links to the account that were not used yet are good no longer. */
  forget(userId: string): Promise<void>;
}

/** What a link with this hash is for, while it is kept; for those who write down what was done. */
export async function purposeOf(db: Database['db'], hash: string): Promise<LinkSubject | undefined> {
  const row = await db
    .selectFrom('authVerifications')
    .select('value')
    .where('identifier', '=', MAILED_LINK + hash)
    .executeTakeFirst();
  return row && subject.parse(JSON.parse(row.value));
}

export function createMailedLinks(deps: {
  readonly database: Database;
  readonly auth: Auth;
  readonly publicUrl: string;
  readonly now: () => number;
}): MailedLinks {
  const { auth, publicUrl, now } = deps;
  const { db } = deps.database;
  const internalAdapter = async () => (await auth.$context).internalAdapter;

  return {
    async create(what) {
      await db.deleteFrom('authVerifications').where('expiresAt', '<', new Date(now())).execute();
      const token = newToken();
      await (await internalAdapter()).createVerificationValue({
        identifier: MAILED_LINK + hashOf(token),
        value: JSON.stringify(what),
        expiresAt: new Date(now() + LINK_MINUTES[what.purpose] * MINUTE_MS),
      });
      return linkTo(publicUrl, token);
    },

    async look(token) {
      const found = await (await internalAdapter()).findVerificationValue(MAILED_LINK + hashOf(token));
      if (!found || found.expiresAt.getTime() < now()) return undefined;
      return subject.parse(JSON.parse(found.value));
    },

    async redeem(token) {
      const found = await (await internalAdapter()).consumeVerificationValue(MAILED_LINK + hashOf(token));
      if (!found || found.expiresAt.getTime() < now()) return undefined;
      return subject.parse(JSON.parse(found.value));
    },

    async forget(userId) {
      await db
        .deleteFrom('authVerifications')
        .where('identifier', 'like', `${MAILED_LINK}%`)
        .where('value', 'like', `%"userId":${JSON.stringify(userId)}%`)
        .execute();
    },
  };
}

/** 192 random bits: they need no slow hash, and nobody guesses them. */
export function newToken(): string {
  return randomBytes(24).toString('base64url');
}

export function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

export function linkTo(publicUrl: string, token: string): string {
  return `${publicUrl}${LINK_PAGE}#${token}`;
}
