import type { DataSubject, DeletedData, PersonalDataExport } from '@clarateach/contract/audit';
import { PublicError } from '@clarateach/contract/errors';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import type { Revocation } from '@clarateach/gateway/revocation-list';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import type { RegistrationRow } from '../entry/store.ts';
import type { Database } from '../store/database.ts';
import type { Changes } from '../workshops/changes.ts';
import type { WorkshopRow } from '../workshops/store.ts';
import type { DataPerson, Erasure } from './source.ts';
import { SOURCES } from './sources.ts';

/** Who asks, for the audit log. */
export interface Asking {
  readonly userId: string;
  readonly address: string;
}

/** A person's data, for the person: given out, and deleted. */
export interface PersonalData {
  /** Throws `not_found` when nothing is kept of them. */
  export(subject: DataSubject, by: Asking): Promise<PersonalDataExport>;
  /**
   * Deletes all of it; lines of the audit log stay without the name. A learner's seat is reset, an
   * account's workshops end. Throws `not_found`, and `conflict` for one's own account.
   */
  delete(subject: DataSubject, by: Asking): Promise<DeletedData>;
}

export function createPersonalData(deps: {
  readonly database: Database;
  readonly audit: Audit;
  readonly changes: Changes;
  readonly onRevoked: (revocation: Revocation) => void;
  /** To be told that they have a place. */
  readonly onMovedUp: (workshop: WorkshopRow, registrations: readonly RegistrationRow[]) => void;
  readonly now: () => number;
}): PersonalData {
  const { database, audit, now } = deps;
  const { db } = database;

  const nobody = (what: string) =>
    new PublicError(
      'not_found',
      `Nothing is kept of ${what}. Check the spelling; what is older was deleted.`,
    );

  const learnersBy = async (subject: Exclude<DataSubject, { kind: 'account' }>): Promise<DataPerson> => {
    const known = new Map<string, { workshopId: WorkshopId; odehash: Odehash }>();
    for (const table of ['sessions', 'removals', 'registrations'] as const) {
      const rows = await db
        .selectFrom(table)
        .select(['workshopId', 'odehash'])
        .$if(subject.kind === 'return-code', (query) =>
          query.where('odehash', '=', (subject as { odehash: Odehash }).odehash),
        )
        .$if(subject.kind === 'learner', (query) => {
          const { workshopId, name } = subject as { workshopId: WorkshopId; name: string };
          return query.where('workshopId', '=', workshopId).where('name', '=', name);
        })
        .execute();
      for (const row of rows) known.set(`${row.workshopId} ${row.odehash}`, row);
    }
    const pseudonyms = new Set(
      [...known.values()].map(({ workshopId, odehash }) => audit.pseudonym(workshopId, odehash)),
    );
    // Workshops that have ended are in the log alone.
    const logged = db
      .selectFrom('auditLog')
      .where('actorKind', '=', 'learner')
      .where('workshopId', 'is not', null)
      .where('actorId', 'is not', null);
    if (subject.kind === 'return-code') {
      for (const { workshopId } of await logged.select('workshopId').distinct().execute()) {
        if (workshopId !== null) pseudonyms.add(audit.pseudonym(workshopId, subject.odehash));
      }
    } else {
      const rows = await logged
        .select('actorId')
        .distinct()
        .where('workshopId', '=', subject.workshopId)
        .where('actorName', '=', subject.name)
        .execute();
      for (const { actorId } of rows) if (actorId !== null) pseudonyms.add(actorId);
    }
    return { learners: [...known.values()], pseudonyms: [...pseudonyms] };
  };

  const find = async (subject: DataSubject): Promise<DataPerson> => {
    // A line that is written later would bring back a name that was just taken out.
    await audit.written();
    if (subject.kind !== 'account') return learnersBy(subject);
    const email = subject.email.toLowerCase();
    const user = await db.selectFrom('users').select('id').where('email', '=', email).executeTakeFirst();
    // Somebody may have registered as a learner, or be invited, with or without an account.
    const learners = await db
      .selectFrom('registrations')
      .select(['workshopId', 'odehash'])
      .where('email', '=', email)
      .execute();
    return {
      learners,
      pseudonyms: learners.map(({ workshopId, odehash }) => audit.pseudonym(workshopId, odehash)),
      email,
      ...(user ? { userId: user.id } : {}),
    };
  };

  const labelOf = (subject: DataSubject): string => {
    switch (subject.kind) {
      case 'account':
        return subject.email;
      case 'learner':
        return `"${subject.name}" in ${subject.workshopId}`;
      case 'return-code':
        return 'this return code';
    }
  };

  const write = async (
    action: string,
    by: Asking,
    lines: readonly Pick<AuditEvent, 'target' | 'details'>[],
  ): Promise<void> => {
    const asking = await db
      .selectFrom('users')
      .select(['email', 'name'])
      .where('id', '=', by.userId)
      .executeTakeFirst();
    const actor = { kind: 'person', id: by.userId, name: asking?.email || (asking?.name ?? '') } as const;
    await Promise.all(lines.map((line) => audit.record({ actor, action, address: by.address, ...line })));
  };

  /** By id: when they are deleted, the line is found by that. */
  const targetsOf = ({ userId, email, pseudonyms }: DataPerson): NonNullable<AuditEvent['target']>[] => [
    ...(userId === undefined ? [] : [{ kind: 'person', id: userId } as const]),
    ...pseudonyms.map((id) => ({ kind: 'learner', id }) as const),
    // By the address, where there is nothing else.
    ...(userId === undefined && pseudonyms.length === 0 && email !== undefined
      ? [{ kind: 'person', name: email } as const]
      : []),
  ];

  const readAll = async (person: DataPerson): Promise<PersonalDataExport['data']> => {
    const data: PersonalDataExport['data'] = {};
    for (const source of SOURCES) {
      const records = await source.read(db, person);
      if (records.length > 0) data[source.name] = records.map((record) => ({ ...record }));
    }
    return data;
  };

  return {
    async export(subject, by) {
      const person = await find(subject);
      const data = await readAll(person);
      if (Object.keys(data).length === 0) throw nobody(labelOf(subject));
      await write(
        'data.exported',
        by,
        targetsOf(person).map((target) => ({ target })),
      );
      return { subject, exportedAt: new Date(now()).toISOString(), data };
    },

    async delete(subject, by) {
      const person = await find(subject);
      if (person.userId === by.userId) {
        throw new PublicError(
          'conflict',
          'This is your own account. Another admin can delete it, so that somebody is left who may sign in.',
        );
      }
      if (Object.keys(await readAll(person)).length === 0) throw nobody(labelOf(subject));
      const { deleted, revoked, changed, movedUp } = await database.transaction(async (trx) => {
        const erasure: Erasure = {
          database,
          now: now(),
          byUserId: by.userId,
          revoked: [],
          changed: new Set(),
          movedUp: [],
        };
        const counts: Record<string, number> = {};
        for (const source of SOURCES) {
          const count = await source.erase(trx, person, erasure);
          if (count > 0) counts[source.name] = count;
        }
        return { deleted: counts, ...erasure };
      });
      for (const revocation of revoked) deps.onRevoked(revocation);
      for (const id of changed) deps.changes.notify(id);
      for (const { workshop, registrations } of movedUp) deps.onMovedUp(workshop, registrations);
      // Whose data it was is what must not be kept.
      await write('data.deleted', by, [
        { target: { kind: subject.kind === 'account' ? 'person' : 'learner' }, details: deleted },
      ]);
      return { deleted };
    },
  };
}
