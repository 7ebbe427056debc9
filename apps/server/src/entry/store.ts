import { randomUUID } from 'node:crypto';
import { randomCode } from '@clarateach/contract/codes';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import type { Kysely, Selectable, Transaction } from 'kysely';
import { ODEHASH_LENGTH } from '../join/claims.ts';
import type { RegistrationsTable } from '../store/entry-schema.ts';
import type { Schema } from '../store/schema.ts';
import type { WorkshopRow } from '../workshops/store.ts';

export type RegistrationRow = Selectable<RegistrationsTable>;

/** 28^10 codes: out of reach of any guesser, however many registrations there are to be hit. */
export const ACCESS_CODE_LENGTH = 10;
/** Rows in one statement; far below the databases' limits on parameters. */
const INSERT_CHUNK = 500;

export interface Registrant {
  readonly name: string;
  readonly email: string | null;
  readonly answers: Readonly<Record<string, string>>;
}

/**
 * Puts people on the list in their order: confirmed while there is room under the cap, waiting from
 * then on. The caller holds the workshop's row, so two servers never both give the last place.
 */
export async function addRegistrations(
  trx: Transaction<Schema>,
  workshop: WorkshopRow,
  registrants: readonly Registrant[],
  made: { readonly source: RegistrationRow['source']; readonly at: number },
): Promise<readonly RegistrationRow[]> {
  const { last } = await trx
    .selectFrom('registrations')
    .select((eb) => eb.fn.max('number').as('last'))
    .where('workshopId', '=', workshop.id)
    .executeTakeFirstOrThrow();
  let room = await roomOf(trx, workshop);
  const rows = registrants.map(
    ({ name, email, answers }, index): RegistrationRow => ({
      id: randomUUID(),
      workshopId: workshop.id,
      number: Number(last ?? 0) + index + 1,
      accessCode: randomCode(ACCESS_CODE_LENGTH),
      odehash: randomCode(ODEHASH_LENGTH) as Odehash,
      name,
      email,
      answers: JSON.stringify(answers),
      source: made.source,
      state: room-- > 0 ? 'confirmed' : 'waiting',
      registeredAt: made.at,
      cameAt: null,
      seat: null,
    }),
  );
  for (let from = 0; from < rows.length; from += INSERT_CHUNK) {
    await trx
      .insertInto('registrations')
      .values(rows.slice(from, from + INSERT_CHUNK))
      .execute();
  }
  return rows;
}

/** Confirms those who wait, the first ones first, while there is room; gives who moved up. */
export async function moveUp(
  trx: Transaction<Schema>,
  workshop: WorkshopRow,
): Promise<readonly RegistrationRow[]> {
  const room = await roomOf(trx, workshop);
  if (room <= 0) return [];
  const next = await trx
    .selectFrom('registrations')
    .selectAll()
    .where('workshopId', '=', workshop.id)
    .where('state', '=', 'waiting')
    .orderBy('number')
    .$if(Number.isFinite(room), (query) => query.limit(room))
    .execute();
  if (next.length > 0) {
    await trx
      .updateTable('registrations')
      .set({ state: 'confirmed' })
      .where('workshopId', '=', workshop.id)
      .where('state', '=', 'waiting')
      .where('number', '<=', next.at(-1)?.number ?? 0)
      .execute();
  }
  return next.map((row) => ({ ...row, state: 'confirmed' }));
}

/** Places left under the cap; infinite without one. */
async function roomOf(db: Kysely<Schema>, workshop: WorkshopRow): Promise<number> {
  if (workshop.registrationCap === null) return Number.POSITIVE_INFINITY;
  const { confirmed } = await db
    .selectFrom('registrations')
    .select((eb) => eb.fn.countAll().as('confirmed'))
    .where('workshopId', '=', workshop.id)
    .where('state', '=', 'confirmed')
    .executeTakeFirstOrThrow();
  return workshop.registrationCap - Number(confirmed);
}

export async function hasRoom(db: Kysely<Schema>, workshop: WorkshopRow): Promise<boolean> {
  return (await roomOf(db, workshop)) > 0;
}

/** Place on the waiting list, counted from 1; null for who does not wait. */
export async function placeOf(db: Kysely<Schema>, row: RegistrationRow): Promise<number | null> {
  if (row.state !== 'waiting') return null;
  const { before } = await db
    .selectFrom('registrations')
    .select((eb) => eb.fn.countAll().as('before'))
    .where('workshopId', '=', row.workshopId)
    .where('state', '=', 'waiting')
    .where('number', '<', row.number)
    .executeTakeFirstOrThrow();
  return Number(before) + 1;
}

/** All of a workshop, in the order they came. */
export function registrationsOf(
  db: Kysely<Schema>,
  workshopId: WorkshopId,
): Promise<readonly RegistrationRow[]> {
  return db
    .selectFrom('registrations')
    .selectAll()
    .where('workshopId', '=', workshopId)
    .orderBy('number')
    .execute();
}

export function registrationByCode(
  db: Kysely<Schema>,
  accessCode: string,
): Promise<RegistrationRow | undefined> {
  return db.selectFrom('registrations').selectAll().where('accessCode', '=', accessCode).executeTakeFirst();
}
