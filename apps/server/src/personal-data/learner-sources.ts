import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import { moveUp } from '../entry/store.ts';
import { removeLearner } from '../removal/removal.ts';
import { nextRevision } from '../workshops/store.ts';
import { type DataPerson, type PersonalDataSource, time } from './source.ts';

/** One record of a learner for each workshop where they are known. */
async function perLearner<T>(
  person: DataPerson,
  read: (learner: { workshopId: WorkshopId; odehash: Odehash }) => Promise<T | undefined>,
): Promise<T[]> {
  const found: T[] = [];
  for (const learner of person.learners) {
    const one = await read(learner);
    if (one !== undefined) found.push(one);
  }
  return found;
}

/** Links that give their seat to another browser; before the seats, which these go with. */
export const handOvers: PersonalDataSource = {
  name: 'handOvers',
  read: (db, person) =>
    perLearner(person, async ({ workshopId, odehash }) => {
      const row = await db
        .selectFrom('handOvers')
        .innerJoin('sessions', 'sessions.id', 'handOvers.sessionId')
        .select(['sessions.seat', 'handOvers.expiresAt'])
        .where('sessions.workshopId', '=', workshopId)
        .where('sessions.odehash', '=', odehash)
        .executeTakeFirst();
      return row && { workshopId, seat: row.seat, expiresAt: time(row.expiresAt) };
    }),
  async erase(trx, person) {
    const gone = await perLearner(person, async ({ workshopId, odehash }) => {
      const { numDeletedRows } = await trx
        .deleteFrom('handOvers')
        .where('sessionId', 'in', (query) =>
          query
            .selectFrom('sessions')
            .select('id')
            .where('workshopId', '=', workshopId)
            .where('odehash', '=', odehash),
        )
        .executeTakeFirst();
      return numDeletedRows > 0n ? true : undefined;
    });
    return gone.length;
  },
};

export const seats: PersonalDataSource = {
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

export const removals: PersonalDataSource = {
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

/** Their place is free again: the next who waits moves up. */
export const registrations: PersonalDataSource = {
  name: 'registrations',
  read: (db, person) =>
    perLearner(person, async ({ workshopId, odehash }) => {
      const row = await db
        .selectFrom('registrations')
        .innerJoin('workshops', 'workshops.id', 'registrations.workshopId')
        .select([
          'registrations.name',
          'registrations.email',
          'registrations.answers',
          'registrations.source',
          'registrations.state',
          'registrations.accessCode',
          'registrations.registeredAt',
          'registrations.cameAt',
          'registrations.seat',
          'workshops.name as workshop',
        ])
        .where('registrations.workshopId', '=', workshopId)
        .where('registrations.odehash', '=', odehash)
        .executeTakeFirst();
      return (
        row && {
          workshopId,
          ...row,
          answers: JSON.parse(row.answers) as Record<string, string>,
          registeredAt: time(row.registeredAt),
          cameAt: row.cameAt === null ? null : time(row.cameAt),
        }
      );
    }),
  async erase(trx, person, { changed, movedUp }) {
    const gone = await perLearner(person, async ({ workshopId, odehash }) => {
      const workshop = await nextRevision(trx, workshopId);
      const { numDeletedRows } = await trx
        .deleteFrom('registrations')
        .where('workshopId', '=', workshopId)
        .where('odehash', '=', odehash)
        .executeTakeFirst();
      if (!workshop || numDeletedRows === 0n) return undefined;
      changed.add(workshopId);
      const next = await moveUp(trx, workshop);
      if (next.length > 0) movedUp.push({ workshop, registrations: next });
      return true;
    });
    return gone.length;
  },
};
