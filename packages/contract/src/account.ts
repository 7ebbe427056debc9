import { z } from 'zod';

export const role = z.enum(['instructor', 'admin']);
export type Role = z.infer<typeof role>;

export const account = z.object({
  id: z.string(),
  name: z.string(),
  email: z.string(),
  role,
  /** False until the person has chosen how to sign in again. */
  hasPassword: z.boolean(),
});
export type Account = z.infer<typeof account>;

/** An account's new name, address and password; the one-time link leads here first. */
export const accountBody = z.object({
  name: z.string().trim().min(1, 'Type your name.').max(100),
  email: z.email('Type an e-mail address, such as you@example.org.').max(200),
  password: z.string().min(10, 'A password has at least 10 characters.').max(128),
  /** Needed when the account has a password already. */
  currentPassword: z.string().max(128).optional(),
});

/** What an API token begins with, so that leaked ones can be found. */
export const API_TOKEN_PREFIX = 'ctk_';

export const apiToken = z.object({
  id: z.string(),
  name: z.string(),
  /** The first characters, to tell tokens apart. */
  hint: z.string(),
  createdAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().nullable(),
});
export type ApiToken = z.infer<typeof apiToken>;

export const createTokenBody = z.object({
  name: z.string().trim().min(1, 'Give the token a name.').max(100),
});
export const createdToken = apiToken.extend({ /** Shown this once. */ token: z.string() });
