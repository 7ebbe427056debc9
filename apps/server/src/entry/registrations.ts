import { normalizeCode, randomCode } from '@clarateach/contract/codes';
import type {
  EntrySettings,
  ImportResult,
  importBody,
  MadeRegistration,
  OwnRegistration,
  Question,
  RegisterBody,
  RegisterInfo,
  RegistrationList,
  RegistrationView,
} from '@clarateach/contract/entry';
import { MAX_REGISTRATIONS, NOT_ANSWERED } from '@clarateach/contract/entry';
import { PublicError, wrongFields } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { Transaction } from 'kysely';
import type { z } from 'zod';
import { removedAmong, removedByInstructor } from '../removal/removal.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { mayRun, noSuchWorkshop } from '../workshops/access.ts';
import type { Changes } from '../workshops/changes.ts';
import { nextRevision, type WorkshopRow } from '../workshops/store.ts';
import { exportList } from './export-list.ts';
import { duplicatesOf, readList } from './import-list.ts';
import { accessCodeLetter, type MailMessage, movedUpLetter, type SendMail } from './letters.ts';
import {
  ACCESS_CODE_LENGTH,
  addRegistrations,
  hasRoom,
  moveUp,
  placeOf,
  type RegistrationRow,
  registrationByCode,
  registrationsOf,
} from './store.ts';

/**
 * Learners' registrations. What instructors ask for takes the id of whoever asks: to all but the owner,
 * co-instructors and admins the workshop is `not_found`.
 */
export interface Registrations {
  /** Throws `unknown_code`. */
  info(code: string): Promise<RegisterInfo>;
  /**
   * Throws `unknown_code`, `registration_closed`, `already_exists` (of the address), `invalid_input`, or
   * `removed` where the address is that of a learner who was removed.
   */
  register(body: RegisterBody): Promise<MadeRegistration>;
  /** Gives the registration of the access code up; a second time it is given up already. Throws `removed`. */
  cancelOwn(accessCode: string): Promise<OwnRegistration>;
  list(userId: string, id: WorkshopId): Promise<RegistrationList>;
  /** Whoever waits moves up where the cap was raised; a lower cap takes nobody's place away. */
  configure(userId: string, id: WorkshopId, settings: EntrySettings): Promise<RegistrationList>;
  import(userId: string, id: WorkshopId, body: z.infer<typeof importBody>): Promise<ImportResult>;
  export(userId: string, id: WorkshopId): Promise<{ readonly filename: string; readonly csv: string }>;
  cancel(userId: string, id: WorkshopId, registration: string): Promise<RegistrationView>;
  rotate(
    userId: string,
    id: WorkshopId,
    registration: string,
  ): Promise<{ readonly registration: RegistrationView; readonly mailed: boolean }>;
  /** Throws `conflict` where there is no address, or nothing to send with. */
  resend(userId: string, id: WorkshopId, registration: string): Promise<RegistrationView>;
  /** Writes to those who have a place now, where they gave an address. */
  tellMovedUp(workshop: WorkshopRow, registrations: readonly RegistrationRow[]): Promise<void>;
}

export function createRegistrations(deps: {
  readonly database: Database;
  readonly changes: Changes;
  readonly publicUrl: string;
  readonly now: () => number;
  /** Undefined where the server cannot send e-mail. */
  readonly sendMail?: SendMail;
  readonly onError: (error: unknown) => void;
}): Registrations {
  const { database, changes, now, sendMail } = deps;
  const { db } = database;
  const joinUrl = (accessCode: string) => `${deps.publicUrl}/join/${accessCode}`;

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

  const own = async (userId: string, id: WorkshopId): Promise<WorkshopRow> => {
    const workshop = await db.selectFrom('workshops').selectAll().where('id', '=', id).executeTakeFirst();
    if (!workshop || !(await mayRun(db, userId, workshop))) throw noSuchWorkshop(id);
    return workshop;
  };

  /** One change at a new revision of the workshop, whose row is held throughout. */
  const change = async <T>(
    id: WorkshopId,
    work: (trx: Transaction<Schema>, workshop: WorkshopRow) => Promise<T>,
  ): Promise<T> => {
    const result = await database.transaction(async (trx) => {
      const workshop = await nextRevision(trx, id);
      if (!workshop || workshop.wanted === 'gone') throw noSuchWorkshop(id);
      return work(trx, workshop);
    });
    changes.notify(id);
    return result;
  };

  const ownChange = <T>(
    userId: string,
    id: WorkshopId,
    work: (trx: Transaction<Schema>, workshop: WorkshopRow) => Promise<T>,
  ): Promise<T> =>
    change(id, async (trx, workshop) => {
      if (!(await mayRun(trx, userId, workshop))) throw noSuchWorkshop(id);
      return work(trx, workshop);
    });

  /** Whether it was sent; what could not be sent is in the log, and the code is on the page. */
  const mail = async (row: RegistrationRow, letter: Omit<MailMessage, 'to'>): Promise<boolean> => {
    if (!sendMail || row.email === null) return false;
    try {
      await sendMail({ to: row.email, ...letter });
      return true;
    } catch (error) {
      deps.onError(error);
      return false;
    }
  };

  const letterOf = (workshop: WorkshopRow, registration: RegistrationRow) => ({
    workshop,
    registration,
    joinUrl: joinUrl(registration.accessCode),
  });
  const mailCode = (workshop: WorkshopRow, row: RegistrationRow) =>
    mail(row, accessCodeLetter(letterOf(workshop, row)));
  const tellMovedUp = async (workshop: WorkshopRow, rows: readonly RegistrationRow[]) => {
    for (const row of rows) await mail(row, movedUpLetter(letterOf(workshop, row)));
  };

  const ownView = async (workshop: WorkshopRow, row: RegistrationRow): Promise<OwnRegistration> => ({
    workshop: { id: workshop.id, name: workshop.name },
    accessCode: row.accessCode,
    name: row.name,
    state: row.state,
    place: await placeOf(db, row),
    joinUrl: joinUrl(row.accessCode),
  });

  const view = async (row: RegistrationRow): Promise<RegistrationView> => viewOf(row, await placeOf(db, row));

  const list = async (workshop: WorkshopRow): Promise<RegistrationList> => ({
    settings: settingsOf(workshop),
    registerUrl: `${deps.publicUrl}/register/${workshop.code}`,
    canMail: sendMail !== undefined,
    registrations: viewsOf(await registrationsOf(db, workshop.id)),
  });

  const find = async (
    trx: Transaction<Schema>,
    workshopId: WorkshopId,
    id: string,
  ): Promise<RegistrationRow> => {
    const row = await trx
      .selectFrom('registrations')
      .selectAll()
      .where('workshopId', '=', workshopId)
      .where('id', '=', id)
      .executeTakeFirst();
    if (!row) throw new PublicError('not_found', 'This workshop has no such registration.');
    return row;
  };

  const setCancelled = async (trx: Transaction<Schema>, workshop: WorkshopRow, row: RegistrationRow) => {
    await trx.updateTable('registrations').set({ state: 'cancelled' }).where('id', '=', row.id).execute();
    return {
      workshop,
      row: { ...row, state: 'cancelled' as const },
      movedUp: await moveUp(trx, workshop),
    };
  };

  /** Throws `registration_closed`, so that nobody fills the table. */
  const requireSpace = async (trx: Transaction<Schema>, id: WorkshopId, more: number) => {
    const { known } = await trx
      .selectFrom('registrations')
      .select((eb) => eb.fn.countAll().as('known'))
      .where('workshopId', '=', id)
      .executeTakeFirstOrThrow();
    if (Number(known) + more <= MAX_REGISTRATIONS) return;
    throw new PublicError(
      'registration_closed',
      `This workshop has as many registrations as it takes (${MAX_REGISTRATIONS}). Ask the instructor.`,
    );
  };

  return {
    tellMovedUp,

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
      return { ...(await ownView(workshop, row)), mailed: await mailCode(workshop, row) };
    },

    async cancelOwn(accessCode) {
      const known = await registrationByCode(db, accessCode);
      if (!known)
        throw new PublicError('unknown_code', 'Nobody has this access code. Check it and try again.');
      const { workshop, row, movedUp } = await change(known.workshopId, async (trx, workshop) => {
        // Or they would give up the address that they are known by, and register anew with it.
        if (await wasRemoved(trx, workshop.id, { odehash: known.odehash }))
          throw removedByInstructor(workshop.name);
        return setCancelled(trx, workshop, await find(trx, workshop.id, known.id));
      });
      await tellMovedUp(workshop, movedUp);
      return ownView(workshop, row);
    },

    list: async (userId, id) => list(await own(userId, id)),

    async configure(userId, id, { entry, registrationCap, questions }) {
      const { workshop, movedUp } = await ownChange(userId, id, async (trx, before) => {
        const values = { entry, registrationCap, questions: JSON.stringify(questions) };
        await trx.updateTable('workshops').set(values).where('id', '=', id).execute();
        const workshop = { ...before, ...values };
        return { workshop, movedUp: await moveUp(trx, workshop) };
      });
      await tellMovedUp(workshop, movedUp);
      return list(workshop);
    },

    async import(userId, id, { csv, skipWrong = false }) {
      const { questions } = settingsOf(await own(userId, id));
      const read = readList(csv, questions);
      const { workshop, rows, problems } = await ownChange(userId, id, async (trx, workshop) => {
        const { fresh, problems: twice } = duplicatesOf(read.people, await registrationsOf(trx, id));
        const problems = [...read.problems, ...twice].sort((one, other) => one.line - other.line);
        const taken = problems.length > 0 && !skipWrong ? [] : fresh;
        await requireSpace(trx, id, taken.length);
        const rows = await addRegistrations(trx, workshop, taken, { source: 'list', at: now() });
        return { workshop, rows, problems };
      });
      // Many messages: whoever imports does not wait for the mail server.
      void (async () => {
        for (const row of rows) await mailCode(workshop, row);
      })();
      return {
        imported: rows.length,
        waiting: rows.filter(({ state }) => state === 'waiting').length,
        problems,
      };
    },

    async export(userId, id) {
      const workshop = await own(userId, id);
      return {
        filename: `${id}-registrations.csv`,
        csv: exportList(viewsOf(await registrationsOf(db, id)), settingsOf(workshop).questions),
      };
    },

    async cancel(userId, id, registration) {
      const { workshop, row, movedUp } = await ownChange(userId, id, async (trx, workshop) =>
        setCancelled(trx, workshop, await find(trx, id, registration)),
      );
      await tellMovedUp(workshop, movedUp);
      return view(row);
    },

    async rotate(userId, id, registration) {
      const { workshop, row } = await ownChange(userId, id, async (trx, workshop) => {
        const old = await find(trx, id, registration);
        if (old.state === 'cancelled') {
          throw new PublicError(
            'conflict',
            'This registration is cancelled, so it has no access code that works.',
          );
        }
        const row = { ...old, accessCode: randomCode(ACCESS_CODE_LENGTH) };
        await trx
          .updateTable('registrations')
          .set({ accessCode: row.accessCode })
          .where('id', '=', row.id)
          .execute();
        return { workshop, row };
      });
      return { registration: await view(row), mailed: await mailCode(workshop, row) };
    },

    async resend(userId, id, registration) {
      const workshop = await own(userId, id);
      const row = await database.transaction((trx) => find(trx, id, registration));
      const why = !sendMail
        ? 'This server is not set up to send e-mail. Copy the code and give it to the learner.'
        : row.email === null
          ? 'This learner gave no e-mail address. Copy the code and give it to them.'
          : row.state === 'cancelled'
            ? 'This registration is cancelled.'
            : undefined;
      if (why !== undefined) throw new PublicError('conflict', why);
      if (!(await mailCode(workshop, row))) {
        throw new PublicError('unavailable', 'The message could not be sent. Try again in a minute.', {
          retryAfterSeconds: 60,
        });
      }
      return view(row);
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

function settingsOf({ entry, registrationCap, questions }: WorkshopRow): EntrySettings {
  return { entry, registrationCap, questions: JSON.parse(questions) as Question[] };
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

function viewsOf(rows: readonly RegistrationRow[]): RegistrationView[] {
  let place = 0;
  return rows.map((row) => viewOf(row, row.state === 'waiting' ? ++place : null));
}

function viewOf(row: RegistrationRow, place: number | null): RegistrationView {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    answers: JSON.parse(row.answers) as Record<string, string>,
    source: row.source,
    state: row.state,
    place,
    accessCode: row.accessCode,
    registeredAt: new Date(row.registeredAt).toISOString(),
    cameAt: row.cameAt === null ? null : new Date(row.cameAt).toISOString(),
    seat: row.seat,
  };
}
