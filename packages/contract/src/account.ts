import { z } from 'zod';

export const role = z.enum(['instructor', 'admin']);
export type Role = z.infer<typeof role>;

export const MIN_PASSWORD_LENGTH = 10;

export const personName = z
  .string()
  .trim()
  .min(1, 'Type your name.')
  .max(100, 'A name has at most 100 characters.');
export const emailAddress = z
  .string()
  .trim()
  .pipe(
    z
      .email('Type an e-mail address, such as you@example.org.')
      .max(200, 'An address has at most 200 characters.'),
  );
export const password = z
  .string()
  .min(
    MIN_PASSWORD_LENGTH,
    `A password has at least ${MIN_PASSWORD_LENGTH} characters. A few words are good.`,
  )
  .max(128, 'A password has at most 128 characters.');

export const account = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  /** False while nobody has shown that mail to the address reaches this person. */
  emailVerified: z.boolean(),
  role,
  /** False until the person has chosen how to sign in again. */
  hasPassword: z.boolean(),
  /** Signs in with the identity provider. */
  hasProvider: z.boolean(),
});
export type Account = z.infer<typeof account>;

/** An account's new name, address and password; the one-time link leads here first. */
export const accountBody = z.object({
  name: personName,
  email: emailAddress,
  /** Left out: it stays as it is. An account without any needs one. */
  password: password.optional(),
  /** Needed to change address or password of an account that has a password. */
  currentPassword: z.string().max(128).optional(),
});

/** A browser that somebody is signed in with. */
export const accountSession = z.object({
  id: z.string(),
  /** The one that asks. */
  current: z.boolean(),
  /** As the browser calls itself (`User-Agent`); may be empty. */
  device: z.string(),
  /** Network address last seen; null when unknown. */
  address: z.string().nullable(),
  createdAt: z.iso.datetime(),
  lastSeenAt: z.iso.datetime(),
});
export type AccountSession = z.infer<typeof accountSession>;

/** What an API token begins with, so that leaked ones can be found. */
export const API_TOKEN_PREFIX = 'ctk_';

/**
 * What an API token may do. `workshops:write` holds `workshops:read`; `account`: profile, sessions and
 * tokens of its owner; `admin`: what admins do, as long as its owner is one.
 */
export const tokenScope = z.enum(['workshops:read', 'workshops:write', 'account', 'admin']);
export type TokenScope = z.infer<typeof tokenScope>;

export const apiToken = z.object({
  id: z.string(),
  name: z.string(),
  /** The first characters, to tell tokens apart. */
  hint: z.string(),
  scopes: z.array(tokenScope),
  createdAt: z.iso.datetime(),
  /** From then on it is refused; null: never. */
  expiresAt: z.iso.datetime().nullable(),
  lastUsedAt: z.iso.datetime().nullable(),
});
export type ApiToken = z.infer<typeof apiToken>;

export const createTokenBody = z.object({
  name: z.string().trim().min(1, 'Give the token a name.').max(100, 'A name has at most 100 characters.'),
  /** Left out: all that its maker may do. */
  scopes: z.array(tokenScope).min(1, 'Choose at least one thing that the token may do.').max(4).optional(),
  /** Left out: it does not expire. */
  expiresInDays: z
    .int('Give whole days.')
    .min(1, 'A token is good for at least 1 day.')
    .max(3650, 'A token is good for at most 3650 days.')
    .optional(),
});
export type CreateTokenBody = z.infer<typeof createTokenBody>;
export const createdToken = apiToken.extend({ /** Shown this once. */ token: z.string() });
