import { randomCode } from '@clarateach/contract/codes';
import type {
  EntrySettings,
  ImportResult,
  importBody,
  RegistrationList,
  RegistrationView,
} from '@clarateach/contract/entry';
import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { Transaction } from 'kysely';
import type { z } from 'zod';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { mayRun, noSuchWorkshop } from '../workshops/access.ts';
import type { Changes } from '../workshops/changes.ts';
import type { WorkshopRow } from '../workshops/store.ts';
import { exportList } from './export-list.ts';
import { duplicatesOf, readList } from './import-list.ts';
import type { SendMail } from './letters.ts';
import { createOwnRegistrations, type OwnRegistrations } from './own-registrations.ts';
import {
  cancelRegistration,
  findRegistration,
  requireSpace,
  workshopChanges,
} from './registration-changes.ts';
import { createRegistrationMail } from './registration-mail.ts';
import { settingsOf, viewOf, viewsOf } from './registration-views.ts';
import {
  ACCESS_CODE_LENGTH,
  addRegistrations,
  moveUp,
  placeOf,
  type RegistrationRow,
  registrationsOf,
} from './store.ts';

/**
 * Learners' registrations. What instructors ask for takes the id of whoever asks: to all but the owner,
 * co-instructors and admins the workshop is `not_found`.
 */
export interface Registrations extends OwnRegistrations {
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
  const { database, now, sendMail } = deps;
  const { db } = database;
  const change = workshopChanges(deps);
  const mail = createRegistrationMail({ ...deps, sendMail });

  const own = async (userId: string, id: WorkshopId): Promise<WorkshopRow> => {
    const workshop = await db.selectFrom('workshops').selectAll().where('id', '=', id).executeTakeFirst();
    if (!workshop || !(await mayRun(db, userId, workshop))) throw noSuchWorkshop(id);
    return workshop;
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

  const view = async (row: RegistrationRow): Promise<RegistrationView> => viewOf(row, await placeOf(db, row));

  const list = async (workshop: WorkshopRow): Promise<RegistrationList> => ({
    settings: settingsOf(workshop),
    registerUrl: `${deps.publicUrl}/register/${workshop.code}`,
    canMail: mail.canSend,
    registrations: viewsOf(await registrationsOf(db, workshop.id)),
  });

  return {
    ...createOwnRegistrations({ db, change, mail, now }),
    tellMovedUp: mail.movedUp,

    list: async (userId, id) => list(await own(userId, id)),

    async configure(userId, id, { entry, registrationCap, questions }) {
      const { workshop, movedUp } = await ownChange(userId, id, async (trx, before) => {
        const values = { entry, registrationCap, questions: JSON.stringify(questions) };
        await trx.updateTable('workshops').set(values).where('id', '=', id).execute();
        const workshop = { ...before, ...values };
        return { workshop, movedUp: await moveUp(trx, workshop) };
      });
      await mail.movedUp(workshop, movedUp);
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
        for (const row of rows) await mail.accessCode(workshop, row);
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
        cancelRegistration(trx, workshop, await findRegistration(trx, id, registration)),
      );
      await mail.movedUp(workshop, movedUp);
      return view(row);
    },

    async rotate(userId, id, registration) {
      const { workshop, row } = await ownChange(userId, id, async (trx, workshop) => {
        const old = await findRegistration(trx, id, registration);
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
      return { registration: await view(row), mailed: await mail.accessCode(workshop, row) };
    },

    async resend(userId, id, registration) {
      const workshop = await own(userId, id);
      const row = await database.transaction((trx) => findRegistration(trx, id, registration));
      const why = !mail.canSend
        ? 'This server is not set up to send e-mail. Copy the code and give it to the learner.'
        : row.email === null
          ? 'This learner gave no e-mail address. Copy the code and give it to them.'
          : row.state === 'cancelled'
            ? 'This registration is cancelled.'
            : undefined;
      if (why !== undefined) throw new PublicError('conflict', why);
      if (!(await mail.accessCode(workshop, row))) {
        throw new PublicError('unavailable', 'The message could not be sent. Try again in a minute.', {
          retryAfterSeconds: 60,
        });
      }
      return view(row);
    },
  };
}
