import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import type { Revocation } from '@clarateach/gateway/revocation-list';
import type { Kysely, Transaction } from 'kysely';
import { entryOf } from '../audit/audit-pages.ts';
import { removeLearner } from '../removal/removal.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { nextRevision, releaseSeats } from '../workshops/store.ts';

/** Somebody whose data is asked for, as the database knows them. */
export type DataPerson =
  | {
      readonly kind: 'learner';
      readonly learners: readonly { readonly workshopId: WorkshopId; readonly odehash: Odehash }[];
      /** Their names in the audit log. */
      readonly pseudonyms: readonly string[];
    }
  | { readonly kind: 'account'; readonly userId: string; readonly email: string };

export interface Erasure {
  readonly database: Database;
  readonly now: number;
  /** The admin who does it, and takes over what must not be without an owner until it is gone. */
  readonly byUserId: string;
  /** What others have to hear of once it is committed. */
  readonly revoked: Revocation[];
  readonly changed: Set<WorkshopId>;
}

/**
 * A place where data about people is kept. Whoever adds a table with such data adds a source to
 * {@link SOURCES}: exports and deletions then cover it.
 */
export interface PersonalDataSource {
  /** The key of its records in an export. */
  readonly name: string;
  /** Its records of this person, without secrets; none when it has nothing to do with their kind. */
  read(db: Kysely<Schema>, person: DataPerson): Promise<readonly Record<string, unknown>[]>;
  /** Deletes or anonymises them, and gives how many. Sources are erased in the order of the list. */
  erase(trx: Transaction<Schema>, person: DataPerson, erasure: Erasure): Promise<number>;
}

const time = (epochMs: number): string => new Date(epochMs).toISOString();

/** One record of a learner for each workshop where they are known. */
async function perLearner<T>(
  person: DataPerson,
  read: (learner: { workshopId: WorkshopId; odehash: Odehash }) => Promise<T | undefined>,
): Promise<T[]> {
  if (person.kind !== 'learner') return [];
  const found: T[] = [];
  for (const learner of person.learners) {
    const one = await read(learner);
    if (one !== undefined) found.push(one);
  }
  return found;
}

const seats: PersonalDataSource = {
  name: 'seats',
  read: (db, person) =>
    perLearner(person, async ({ workshopId, odehash }) => {
      const row = await db
        .selectFrom('sessions')
        .innerJoin('workshops', 'workshops.id', 'sessions.workshopId')
        .select(['sessions.seat', 'sessions.name', 'sessions.joinedAt', 'workshops.name as workshop'])
        .where('sessions.workshopId', '=', workshopId)
        .where('sessions.odehash', '=', odehash)
        .executeTakeFirst();
      return row && { workshopId, ...row, odehash, joinedAt: time(row.joinedAt) };
    }),
  async erase(trx, person, erasure) {
    const { database, now } = erasure;
    const gone = await perLearner(person, async ({ workshopId, odehash }) => {
      const workshop = await nextRevision(trx, workshopId);
      const session = await trx
        .selectFrom('sessions')
        .select('seat')
        .where('workshopId', '=', workshopId)
        .where('odehash', '=', odehash)
        .executeTakeFirst();
      if (!workshop || !session) return undefined;
      erasure.changed.add(workshopId);
      const { seat } = session;
      erasure.revoked.push(await removeLearner(trx, { database, workshop, seat, now }));
      return true;
    });
    return gone.length;
  },
};

const removals: PersonalDataSource = {
  name: 'removals',
  read: (db, person) =>
    perLearner(person, async ({ workshopId, odehash }) => {
      const row = await db
        .selectFrom('removals')
        .select(['name', 'seat', 'removedAt'])
        .where('workshopId', '=', workshopId)
        .where('odehash', '=', odehash)
        .executeTakeFirst();
      return row && { workshopId, ...row, odehash, removedAt: time(row.removedAt) };
    }),
  async erase(trx, person) {
    const gone = await perLearner(person, async ({ workshopId, odehash }) => {
      const { numDeletedRows } = await trx
        .deleteFrom('removals')
        .where('workshopId', '=', workshopId)
        .where('odehash', '=', odehash)
        .executeTakeFirst();
      return numDeletedRows > 0n ? true : undefined;
    });
    return gone.length;
  },
};

const workshops: PersonalDataSource = {
  name: 'workshops',
  async read(db, person) {
    if (person.kind !== 'account') return [];
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
    if (person.kind !== 'account') return 0;
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

const apiTokens: PersonalDataSource = {
  name: 'apiTokens',
  async read(db, person) {
    if (person.kind !== 'account') return [];
    const rows = await db
      .selectFrom('apiTokens')
      .select(['id', 'name', 'createdAt', 'lastUsedAt'])
      .where('userId', '=', person.userId)
      .orderBy('createdAt')
      .execute();
    return rows.map(({ createdAt, lastUsedAt, ...row }) => ({
      ...row,
      createdAt: time(createdAt),
      lastUsedAt: lastUsedAt === null ? null : time(lastUsedAt),
    }));
  },
  async erase(trx, person) {
    if (person.kind !== 'account') return 0;
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
    if (person.kind !== 'account') return [];
    const rows = await db
      .selectFrom('authSessions')
      .select(['createdAt', 'expiresAt', 'ipAddress', 'userAgent'])
      .where('userId', '=', person.userId)
      .execute();
    return rows.map((row) => ({
      ...row,
      createdAt: new Date(row.createdAt),
      expiresAt: new Date(row.expiresAt),
    }));
  },
  async erase(trx, person) {
    if (person.kind !== 'account') return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('authSessions')
      .where('userId', '=', person.userId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

/** Last of those of an account: other tables refer to it. */
const profile: PersonalDataSource = {
  name: 'profile',
  async read(db, person) {
    if (person.kind !== 'account') return [];
    return db
      .selectFrom('users')
      .select(['id', 'name', 'email', 'role', 'createdAt'])
      .where('id', '=', person.userId)
      .execute();
  },
  async erase(trx, person) {
    if (person.kind !== 'account') return 0;
    const { numDeletedRows } = await trx
      .deleteFrom('users')
      .where('id', '=', person.userId)
      .executeTakeFirst();
    return Number(numDeletedRows);
  },
};

const ERASED_NAME = '(deleted)';

/** What happened stays written down; who it was does not. */
const auditLog: PersonalDataSource = {
  name: 'auditLog',
  async read(db, person) {
    const ids = person.kind === 'account' ? [person.userId] : person.pseudonyms;
    if (ids.length === 0) return [];
    const rows = await db
      .selectFrom('auditLog')
      .selectAll()
      .where((eb) =>
        eb.or([
          eb('actorId', 'in', ids),
          eb('targetId', 'in', ids),
          ...(person.kind === 'account' ? [eb('actorName', '=', person.email)] : []),
        ]),
      )
      .orderBy('id')
      .execute();
    return rows.map(entryOf);
  },
  async erase(trx, person) {
    const ids = person.kind === 'account' ? [person.userId] : person.pseudonyms;
    if (ids.length === 0) return 0;
    const acted = await trx
      .updateTable('auditLog')
      .set({ actorId: null, actorName: ERASED_NAME, address: null })
      .where((eb) =>
        // Somebody who failed to sign in is known by the address alone.
        eb.or([
          eb('actorId', 'in', ids),
          ...(person.kind === 'account' ? [eb('actorName', '=', person.email)] : []),
        ]),
      )
      .executeTakeFirst();
    const meant = await trx
      .updateTable('auditLog')
      .set({ targetId: null, targetName: ERASED_NAME })
      .where('targetId', 'in', ids)
      .executeTakeFirst();
    return Number(acted.numUpdatedRows + meant.numUpdatedRows);
  },
};

export const SOURCES: readonly PersonalDataSource[] = [
  seats,
  removals,
  workshops,
  apiTokens,
  signIns,
  auditLog,
  profile,
];
