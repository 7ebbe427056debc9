import { normalizeCode } from '@clarateach/contract/codes';
import type {
  MadeRegistration,
  OwnRegistration,
  Question,
  RegisterBody,
  RegisterInfo,
} from '@clarateach/contract/entry';
import { PublicError, wrongFields } from '@clarateach/contract/errors';
import { NOT_ANSWERED } from '@clarateach/contract/form-limits';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { Kysely, Transaction } from 'kysely';
import { removedAmong, removedByInstructor } from '../removal/removal.ts';
import type { Schema } from '../store/schema.ts';
import type { WorkshopRow } from '../workshops/store.ts';
import {
  type ChangeWorkshop,
  cancelRegistration,
  findRegistration,
  requireSpace,
} from './registration-changes.ts';
import type { RegistrationMail } from './registration-mail.ts';
import { settingsOf } from './registration-views.ts';
import { addRegistrations, hasRoom, placeOf, type RegistrationRow, registrationByCode } from './store.ts';

/** What learners do ahead of the class, known by nothing but a code. */
export interface OwnRegistrations {
  /** Throws `unknown_code`. */
  info(code: string): Promise<RegisterInfo>;
  /**
   * Throws `unknown_code`, `registration_closed`, `already_exists` (of the address), `invalid_input`, or
   * `removed` where the address is that of a learner who was removed.
   */
  register(body: RegisterBody): Promise<MadeRegistration>;
  /** Gives the registration of the access code up; a second time it is given up already. Throws `removed`. */
  cancelOwn(accessCode: string): Promise<OwnRegistration>;
}

export function createOwnRegistrations(deps: {
  readonly db: Kysely<Schema>;
  readonly change: ChangeWorkshop;
  readonly mail: RegistrationMail;
  readonly now: () => number;
}): OwnRegistrations {
  const { db, change, mail, now } = deps;

  const byJoinCode = async (code: string): Promise<WorkshopRow> => {
    const workshop = await db
      .selectFrom('workshops')
      .selectAll()
      .where('code', '=', normalizeCode(code))
      .where('wanted', '!=', 'gone')
      .executeTakeFirst();
    if (!workshop) {
      throw new PublicError(
        'unknown_code',
        'No workshop has this code. Check the link with your instructor.',
      );
    }
    return workshop;
  };

  const ownView = async (workshop: WorkshopRow, row: RegistrationRow): Promise<OwnRegistration> => ({
    workshop: { id: workshop.id, name: workshop.name },
    accessCode: row.accessCode,
    name: row.name,
    state: row.state,
    place: await placeOf(db, row),
    joinUrl: mail.joinUrl(row.accessCode),
  });

  return {
    async info(code) {
      const workshop = await byJoinCode(code);
      const { entry, questions } = settingsOf(workshop);
      return {
        workshop: { id: workshop.id, name: workshop.name },
        entry,
        questions,
        full: !(await hasRoom(db, workshop)),
      };
    },

    async register({ code, name, email: typed, answers: given = {} }) {
      const { id } = await byJoinCode(code);
      const email = typed ?? null;
      const { workshop, row } = await change(id, async (trx, workshop) => {
        if (workshop.entry === 'list') {
          throw new PublicError(
            'registration_closed',
            `Only people on the instructor's list can take part in "${workshop.name}". Ask the instructor to put you on it; you then get an access code.`,
          );
        }
        const answers = checkedAnswers(settingsOf(workshop).questions, given);
        await requireSpace(trx, id, 1);
        if (email !== null && (await wasRemoved(trx, id, { email })))
          throw removedByInstructor(workshop.name);
        if (email !== null && (await isRegistered(trx, id, email))) {
          throw new PublicError(
            'already_exists',
            'This e-mail address is registered already. Use the access code you were given, or ask the instructor for it.',
            { field: 'email' },
          );
        }
        const [row] = await addRegistrations(trx, workshop, [{ name, email, answers }], {
          source: 'self',
          at: now(),
        });
        if (!row) throw new Error('A registration was not made.');
        return { workshop, row };
      });
      return { ...(await ownView(workshop, row)), mailed: await mail.accessCode(workshop, row) };
    },

    async cancelOwn(accessCode) {
      const known = await registrationByCode(db, accessCode);
      if (!known)
        throw new PublicError('unknown_code', 'Nobody has this access code. Check it and try again.');
      const { workshop, row, movedUp } = await change(known.workshopId, async (trx, workshop) => {
        // Or they would give up the address that they are known by, and register anew with it.
        if (await wasRemoved(trx, workshop.id, { odehash: known.odehash }))
          throw removedByInstructor(workshop.name);
        return cancelRegistration(trx, workshop, await findRegistration(trx, workshop.id, known.id));
      });
      await mail.movedUp(workshop, movedUp);
      return ownView(workshop, row);
    },
  };
}

async function isRegistered(trx: Transaction<Schema>, id: WorkshopId, email: string): Promise<boolean> {
  const row = await trx
    .selectFrom('registrations')
    .select('id')
    .where('workshopId', '=', id)
    .where('email', '=', email)
    .where('state', '!=', 'cancelled')
    .executeTakeFirst();
  return row !== undefined;
}

/** Whether the instructor removed a learner who registered with this address or return code. */
async function wasRemoved(
  trx: Transaction<Schema>,
  id: WorkshopId,
  learner: { readonly email: string } | { readonly odehash: RegistrationRow['odehash'] },
): Promise<boolean> {
  if ('odehash' in learner) return (await removedAmong(trx, id, [learner.odehash])).size > 0;
  const rows = await trx
    .selectFrom('registrations')
    .select('odehash')
    .where('workshopId', '=', id)
    .where('email', '=', learner.email)
    .execute();
  const removed = await removedAmong(
    trx,
    id,
    rows.map(({ odehash }) => odehash),
  );
  return removed.size > 0;
}

/** Answers to what is asked, and to nothing else. */
function checkedAnswers(
  questions: readonly Question[],
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const stray = Object.keys(given).find((label) => !questions.some((asked) => asked.label === label));
  if (stray !== undefined) {
    throw new PublicError('invalid_input', 'The questions have changed meanwhile. Reload the page.', {
      field: `answers.${stray}`,
    });
  }
  const missing = questions.filter(({ label, required }) => required && (given[label] ?? '') === '');
  if (missing.length > 0) {
    throw wrongFields(missing.map(({ label }) => ({ field: `answers.${label}`, message: NOT_ANSWERED })));
  }
  return Object.fromEntries(
    questions.flatMap(({ label }) => (given[label] ? [[label, given[label]] as const] : [])),
  );
}
