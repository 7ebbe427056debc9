import { randomUUID } from 'node:crypto';
import { type Odehash, randomCode, type WorkshopId } from '@clarateach/contract/ids';
import type { Transaction } from 'kysely';
import { removedAmong } from '../removal/removal.ts';
import type { Database } from '../store/database.ts';
import type { Schema, SessionsTable } from '../store/schema.ts';
import { lockWorkshop, nextRevision, type SessionRow, type WorkshopRow } from '../workshops/store.ts';

/** 28^8 codes: with the join code and the limit on wrong guesses, out of reach. */
export const ODEHASH_LENGTH = 8;

export interface ClaimRequest {
  readonly name: string;
  /** A learner's own code: leads back to their seat, or becomes the code of a new claim. */
  readonly odehash: Odehash | undefined;
}

export type ClaimOutcome =
  | { readonly outcome: 'claimed'; readonly session: SessionRow; readonly returning: boolean }
  | { readonly outcome: 'no_free_seat' }
  | { readonly outcome: 'removed' };

/**
 * Gives each request its seat, in the order of the requests: the old one to a known learner, the
 * lowest free one to a new learner. The workshop's row is held throughout, so claims of one workshop
 * are made one batch after the other by however many servers; the unique indexes of `sessions` are
 * the second wall.
 */
export async function claimSeats(
  trx: Transaction<Schema>,
  request: {
    readonly database: Pick<Database, 'rowLocks'>;
    readonly workshopId: WorkshopId;
    readonly requests: readonly ClaimRequest[];
    readonly now: number;
    /** The return code of the next learner of a seat; made up where there is none. */
    readonly nextOdehash: (seat: number) => Odehash | undefined;
  },
): Promise<{ workshop: WorkshopRow | undefined; outcomes: readonly ClaimOutcome[] }> {
  const { workshopId, requests, now } = request;
  const workshop = await lockWorkshop(request.database, trx, workshopId);
  if (workshop?.wanted !== 'running') return { workshop, outcomes: [] };

  const odehashes = requests.flatMap(({ odehash }) => odehash ?? []);
  const known = await knownSessions(trx, workshopId, odehashes);
  const removed = await removedAmong(trx, workshopId, odehashes);
  const newcomers = requests.filter(({ odehash }) => odehash === undefined || !known.has(odehash)).length;
  const free = newcomers > 0 ? await freeSeats(trx, workshopId, newcomers) : [];
  const made: SessionsTable[] = [];
  const renamed: SessionRow[] = [];

  const outcomes = requests.map(({ name, odehash }): ClaimOutcome => {
    if (odehash !== undefined && removed.has(odehash)) return { outcome: 'removed' };
    const old = odehash === undefined ? undefined : known.get(odehash);
    if (old) {
      const session = { ...old, name };
      if (old.name !== name) renamed.push(session);
      return { outcome: 'claimed', session, returning: true };
    }
    const seat = free.shift();
    if (seat === undefined) return { outcome: 'no_free_seat' };
    const session: SessionRow = {
      id: randomUUID(),
      workshopId,
      seat,
      odehash: odehash ?? request.nextOdehash(seat) ?? (randomCode(ODEHASH_LENGTH) as Odehash),
      name,
      joinedAt: now,
    };
    made.push(session);
    // The same learner may ask twice in one batch.
    known.set(session.odehash, session);
    return { outcome: 'claimed', session, returning: false };
  });

  if (made.length + renamed.length > 0) await nextRevision(trx, workshopId);
  if (made.length > 0) await trx.insertInto('sessions').values(made).execute();
  for (const { id, name } of renamed) {
    await trx.updateTable('sessions').set({ name }).where('id', '=', id).execute();
  }
  return { workshop, outcomes };
}

async function knownSessions(
  trx: Transaction<Schema>,
  workshopId: WorkshopId,
  odehashes: readonly Odehash[],
): Promise<Map<Odehash, SessionRow>> {
  if (odehashes.length === 0) return new Map();
  const sessions = await trx
    .selectFrom('sessions')
    .selectAll()
    .where('workshopId', '=', workshopId)
    .where('odehash', 'in', odehashes)
    .execute();
  return new Map(sessions.map((session) => [session.odehash, session]));
}

async function freeSeats(trx: Transaction<Schema>, workshopId: WorkshopId, limit: number): Promise<number[]> {
  const rows = await trx
    .selectFrom('seats')
    .select('seat')
    .where('workshopId', '=', workshopId)
    .where('wanted', '=', 'running')
    .where('seen', '=', 'running')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('sessions')
            .select('sessions.id')
            .whereRef('sessions.workshopId', '=', 'seats.workshopId')
            .whereRef('sessions.seat', '=', 'seats.seat'),
        ),
      ),
    )
    .orderBy('seat')
    .limit(limit)
    .execute();
  return rows.map((row) => row.seat);
}
