import type { Role } from '@clarateach/contract/account';
import type { ColumnType } from 'kysely';

/** As better-auth writes it: a timestamp in PostgreSQL, ISO 8601 text in SQLite. */
type Instant = ColumnType<Date | string, Date | string, Date | string>;
/** A boolean in PostgreSQL, 0 or 1 in SQLite. */
type Flag = ColumnType<boolean | number, boolean, boolean>;

export interface UsersTable {
  id: string;
  name: string;
  /** Lower case; unique. */
  email: string;
  emailVerified: Flag;
  image: string | null;
  role: Role;
  /** Since when they may not enter; null: they may. */
  disabledAt: number | null;
  createdAt: Instant;
  updatedAt: Instant;
}

export interface AuthSessionsTable {
  id: string;
  token: string;
  userId: string;
  expiresAt: Instant;
  ipAddress: string | null;
  userAgent: string | null;
  /** Opened by a sign-in link: for an hour the password may be set without the old one. */
  byLink: Flag;
  /** Noted once a minute at most. */
  lastSeenAt: number | null;
  createdAt: Instant;
  updatedAt: Instant;
}

/** A way for a user to sign in; the one with a password has the provider `credential`. */
export interface AuthAccountsTable {
  id: string;
  issuer: string;
  accountId: string;
  providerId: string;
  userId: string;
  accessToken: string | null;
  refreshToken: string | null;
  idToken: string | null;
  accessTokenExpiresAt: Instant | null;
  refreshTokenExpiresAt: Instant | null;
  scope: string | null;
  password: string | null;
  createdAt: Instant;
  updatedAt: Instant;
}

/** What is good once and for a short time, such as a sign-in link. */
export interface AuthVerificationsTable {
  id: string;
  identifier: string;
  value: string;
  expiresAt: Instant;
  createdAt: Instant;
  updatedAt: Instant;
}

/** Times here and below are milliseconds since the epoch. */
export interface ApiTokensTable {
  id: string;
  userId: string;
  name: string;
  /** SHA-256 of the token, in hex; the token itself is nowhere kept. */
  hash: string;
  hint: string;
  /** Names of the contract's scopes, separated by spaces. */
  scopes: string;
  createdAt: number;
  expiresAt: number | null;
  lastUsedAt: number | null;
}

/** Somebody who may make an account with the link that was mailed to them. */
export interface InvitationsTable {
  id: string;
  /** Lower case; unique. */
  email: string;
  role: Role;
  /** SHA-256 of the link's token, in hex. */
  hash: string;
  invitedBy: string | null;
  sentAt: number;
  expiresAt: number;
}

/** Key pairs for seat tokens. */
export interface SigningKeysTable {
  kid: string;
  /** Counts up from 1; unique, so of several servers that rotate at once one does. */
  generation: number;
  /** JWK, as JSON. */
  publicKey: string;
  privateKeySealed: string;
  createdAt: number;
  /** From then on tokens are signed with it; every server has heard of it by then. */
  signsFrom: number;
  /** Until then its tokens are honoured; null while it is the newest. */
  verifiesUntil: number | null;
}

export interface PeopleTables {
  users: UsersTable;
  authSessions: AuthSessionsTable;
  authAccounts: AuthAccountsTable;
  authVerifications: AuthVerificationsTable;
  apiTokens: ApiTokensTable;
  invitations: InvitationsTable;
  signingKeys: SigningKeysTable;
}
