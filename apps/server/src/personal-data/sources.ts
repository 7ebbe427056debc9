import type { ExpressionBuilder } from 'kysely';
import { entryOf } from '../audit/audit-pages.ts';
import type { Schema } from '../store/schema.ts';
import { ACCOUNT_SOURCES } from './account-sources.ts';
import { handOvers, registrations, removals, seats } from './learner-sources.ts';
import type { DataPerson, PersonalDataSource } from './source.ts';

const ERASED_NAME = '(deleted)';

/** Ids of a person in the log. */
const idsOf = ({ userId, pseudonyms }: DataPerson): readonly string[] =>
  userId === undefined ? pseudonyms : [userId, ...pseudonyms];

/** Whether a column pair of the log means the person: by id, or an address that has no account by itself. */
const means =
  (person: DataPerson, who: 'actor' | 'target') => (eb: ExpressionBuilder<Schema, 'auditLog'>) => {
    const ids = idsOf(person);
    return eb.or([
      ...(ids.length > 0 ? [eb(`${who}Id`, 'in', ids)] : []),
      ...(person.email === undefined ? [] : [eb(`${who}Name`, '=', person.email)]),
    ]);
  };

/** What happened stays written down; who it was does not. */
const auditLog: PersonalDataSource = {
  name: 'auditLog',
  async read(db, person) {
    const rows = await db
      .selectFrom('auditLog')
      .selectAll()
      .where((eb) => eb.or([means(person, 'actor')(eb), means(person, 'target')(eb)]))
      .orderBy('id')
      .execute();
    return rows.map(entryOf);
  },
  async erase(trx, person) {
    const acted = await trx
      .updateTable('auditLog')
      .set({ actorId: null, actorName: ERASED_NAME, address: null })
      .where(means(person, 'actor'))
      .executeTakeFirst();
    const meant = await trx
      .updateTable('auditLog')
      .set({ targetId: null, targetName: ERASED_NAME })
      .where(means(person, 'target'))
      .executeTakeFirst();
    return Number(acted.numUpdatedRows + meant.numUpdatedRows);
  },
};

/** In the order in which they are erased. */
export const SOURCES: readonly PersonalDataSource[] = [
  handOvers,
  seats,
  removals,
  registrations,
  auditLog,
  ...ACCOUNT_SOURCES,
];
