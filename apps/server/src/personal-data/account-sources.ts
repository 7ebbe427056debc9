import type { Kysely } from 'kysely';
import { MAILED_LINK } from '../people/mailed-links.ts';
import type { Schema } from '../store/schema.ts';
import { nextRevision, releaseSeats } from '../workshops/store.ts';
import { type PersonalDataSource, time } from './source.ts';

const workshops: PersonalDataSource = {
  name: 'workshops',
  async read(db, person) {
    if (person.userId === undefined) return [];
    const rows = await db
      .selectFrom('workshops')
      .select(['id', 'name', 'code', 'runtime', 'image', 'seatCount', 'createdAt', 'startedAt', 'endsAt'])
      .select((eb) => eb('apiKeySealed', 'is not', null).as('hasApiKey'))
      .where('ownerId', '=', person.userId)
      .orderBy('createdAt')
      .execute();
    return rows.map(({ createdAt, startedAt, endsAt, hasApiKey, ...row }) => ({
      ...row,
      hasApiKey: Boolean(hasApiKey),
      createdAt: time(createdAt),
      startedAt: startedAt === null ? null : time(startedAt),
      endsAt: endsAt === null ? null : time(endsAt),
    }));
  },
  async erase(trx, person, { byUserId, changed }) {
    if (person.userId === undefined) return 0;
    const rows = await trx
      .selectFrom('workshops')
      .select('id')
      .where('ownerId', '=', person.userId)
      .execute();
    for (const { id } of rows) {
      const workshop = await nextRevision(trx, id);
      if (!workshop) continue;
      // The reconciler removes what runs, and the row after that; until then it needs an owner.
      await trx
        .updateTable('workshops')
        .set({ wanted: 'gone', endsAt: null, ownerId: byUserId, apiKeySealed: null })
        .where('id', '=', id)
        .execute();
      await releaseSeats(trx, workshop);
      changed.add(id);
    }
    return rows.length;
  },
};

/** Workshops of others that they run too. */
const coInstructors: PersonalDataSource = {
  name: 'coInstructors',
  async read(db, person) {
    if (person.userId === undefined) return [];
    const rows = await db
      .selectFrom('coInstructors')
      .innerJoin('workshops', 'workshops.id', 'coInstructors.workshopId')
      .select(['coInstructors.workshopId', 'workshops.name as workshop', 'coInstructors.addedAt'])
      .where('coInstructors.userId', '=', person.userId)
      .orderBy('coInstructors.addedAt')
      .execute();
    return rows.map((row) => ({ ...row, addedAt: time(row.addedAt) }));
  },
  async erase(trx, person) {
    if (person.userId === undefined) return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('coInstructors')
      .where('userId', '=', person.userId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

/** Of the address, which may have no account yet. */
const invitations: PersonalDataSource = {
  name: 'invitations',
  async read(db, person) {
    if (person.email === undefined) return [];
    const rows = await db
      .selectFrom('invitations')
      .select(['id', 'email', 'role', 'sentAt', 'expiresAt'])
      .where('email', '=', person.email)
      .execute();
    return rows.map((row) => ({ ...row, sentAt: time(row.sentAt), expiresAt: time(row.expiresAt) }));
  },
  async erase(trx, person) {
    if (person.email === undefined) return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('invitations')
      .where('email', '=', person.email)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

/** Links that were mailed and not used yet, as to somebody who asked for an account. */
const mailedLinks: PersonalDataSource = {
  name: 'mailedLinks',
  read: async (db, person) =>
    (await linksTo(db, person.email)).map(({ purpose, email, expiresAt }) => ({
      purpose,
      email,
      expiresAt: new Date(expiresAt),
    })),
  async erase(trx, person) {
    const links = await linksTo(trx, person.email);
    if (links.length === 0) return 0;
    await trx
      .deleteFrom('authVerifications')
      .where(
        'id',
        'in',
        links.map(({ id }) => id),
      )
      .execute();
    return links.length;
  },
};

async function linksTo(db: Kysely<Schema>, email: string | undefined) {
  if (email === undefined) return [];
  const rows = await db
    .selectFrom('authVerifications')
    .select(['id', 'value', 'expiresAt'])
    .where('identifier', 'like', `${MAILED_LINK}%`)
    .execute();
  return rows.flatMap(({ value, ...row }) => {
    const what = JSON.parse(value) as { purpose: string; email: string };
    return what.email.toLowerCase() === email ? [{ ...row, purpose: what.purpose, email: what.email }] : [];
  });
}

/** How they sign in: a password, or an account at an identity provider. */
const waysIn: PersonalDataSource = {
  name: 'waysIn',
  async read(db, person) {
    if (person.userId === undefined) return [];
    const rows = await db
      .selectFrom('authAccounts')
      .select(['providerId', 'issuer', 'accountId', 'scope', 'createdAt'])
      .where('userId', '=', person.userId)
      .execute();
    return rows.map((row) => ({ ...row, createdAt: new Date(row.createdAt) }));
  },
  async erase(trx, person) {
    if (person.userId === undefined) return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('authAccounts')
      .where('userId', '=', person.userId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

const apiTokens: PersonalDataSource = {
  name: 'apiTokens',
  async read(db, person) {
    if (person.userId === undefined) return [];
    const rows = await db
      .selectFrom('apiTokens')
      .select(['id', 'name', 'scopes', 'createdAt', 'expiresAt', 'lastUsedAt'])
      .where('userId', '=', person.userId)
      .orderBy('createdAt')
      .execute();
    return rows.map(({ scopes, createdAt, expiresAt, lastUsedAt, ...row }) => ({
      ...row,
      scopes: scopes.split(' '),
      createdAt: time(createdAt),
      expiresAt: expiresAt === null ? null : time(expiresAt),
      lastUsedAt: lastUsedAt === null ? null : time(lastUsedAt),
    }));
  },
  async erase(trx, person) {
    if (person.userId === undefined) return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('apiTokens')
      .where('userId', '=', person.userId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

const signIns: PersonalDataSource = {
  name: 'signIns',
  async read(db, person) {
    if (person.userId === undefined) return [];
    const rows = await db
      .selectFrom('authSessions')
      .select(['createdAt', 'expiresAt', 'lastSeenAt', 'ipAddress', 'userAgent', 'byLink'])
      .where('userId', '=', person.userId)
      .execute();
    return rows.map((row) => ({
      ...row,
      byLink: Boolean(row.byLink),
      lastSeenAt: row.lastSeenAt === null ? null : time(row.lastSeenAt),
      createdAt: new Date(row.createdAt),
      expiresAt: new Date(row.expiresAt),
    }));
  },
  async erase(trx, person) {
    if (person.userId === undefined) return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('authSessions')
      .where('userId', '=', person.userId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

/** Other tables refer to it, so it goes last. */
const profile: PersonalDataSource = {
  name: 'profile',
  async read(db, person) {
    if (person.userId === undefined) return [];
    const rows = await db
      .selectFrom('users')
      .select(['id', 'name', 'email', 'emailVerified', 'image', 'role', 'disabledAt', 'createdAt'])
      .where('id', '=', person.userId)
      .execute();
    return rows.map((row) => ({
      ...row,
      emailVerified: Boolean(row.emailVerified),
      disabledAt: row.disabledAt === null ? null : time(row.disabledAt),
      createdAt: new Date(row.createdAt),
    }));
  },
  async erase(trx, person) {
    if (person.userId === undefined) return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('users')
      .where('id', '=', person.userId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

/** In the order in which they are erased. */
export const ACCOUNT_SOURCES: readonly PersonalDataSource[] = [
  workshops,
  coInstructors,
  apiTokens,
  signIns,
  waysIn,
  mailedLinks,
  invitations,
  profile,
];
