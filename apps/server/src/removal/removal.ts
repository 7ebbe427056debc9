import { randomUUID } from 'node:crypto';
import { PublicError } from '@clarateach/contract/errors';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import { TOKEN_LIFETIME_SECONDS, TOKEN_RENEWAL_SECONDS } from '@clarateach/contract/token';
import type { Removal } from '@clarateach/contract/workshop';
import type { Revocation } from '@clarateach/gateway/revocation-list';
import type { Transaction } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import { FRESH_SEAT, type WorkshopRow } from '../workshops/store.ts';
import { tellOtherServers } from './signals.ts';

/** A token that is revoked can be used for two hours and exchanged for another day. */
const TOKENS_LAST_MS = (TOKEN_LIFETIME_SECONDS + TOKEN_RENEWAL_SECONDS) * 1000;

/**
 * Takes the learner out of the seat, in the transaction that holds the workshop's row: their claim
 * ends, their tokens are revoked, their return code is refused from now on, and the seat is made as
 * new for the next learner. Gives what every verifier has to know once it is committed.
 */
export async function removeLearner(
  trx: Transaction<Schema>,
  request: {
    readonly database: Pick<Database, 'kind'>;
    readonly workshop: WorkshopRow;
    readonly seat: number;
    readonly now: number;
  },
): Promise<Revocation> {
  const { workshop, seat, now } = request;
  const session = await trx
    .deleteFrom('sessions')
    .where('workshopId', '=', workshop.id)
    .where('seat', '=', seat)
    .returningAll()
    .executeTakeFirst();
  if (!session) {
    throw new PublicError('conflict', `Nobody sits at seat ${seat}, so there is nobody to remove.`);
  }
  const { odehash, name } = session;
  await trx
    .insertInto('removals')
    .values({ id: randomUUID(), workshopId: workshop.id, odehash, name, seat, removedAt: now })
    .execute();
  await trx
    .updateTable('seats')
    .set({ ...FRESH_SEAT, wanted: 'reset', revision: workshop.revision })
    .where('workshopId', '=', workshop.id)
    .where('seat', '=', seat)
    // One that is on its way out already is emptied by that.
    .where('wanted', '!=', 'gone')
    .execute();
  return revokeTokens(trx, { ...request, workshopId: workshop.id, odehash });
}

/** Takes back every token that this learner has been given. */
export async function revokeTokens(
  trx: Transaction<Schema>,
  request: {
    readonly database: Pick<Database, 'kind'>;
    readonly workshopId: WorkshopId;
    readonly odehash: Odehash;
    readonly now: number;
  },
): Promise<Revocation> {
  const { workshopId, odehash, now } = request;
  // A token of this very second is one of those to take back; one that is made later says a later second.
  const before = Math.floor(now / 1000) + 1;
  const revocation: Revocation = { workshopId, odehash, before, expiresAt: before * 1000 + TOKENS_LAST_MS };
  await trx
    .insertInto('revocations')
    .values(revocation)
    .onConflict((conflict) =>
      conflict.columns(['workshopId', 'odehash']).doUpdateSet({ before, expiresAt: revocation.expiresAt }),
    )
    .execute();
  await trx.deleteFrom('revocations').where('expiresAt', '<=', now).execute();
  await tellOtherServers(request.database, trx, workshopId);
  return revocation;
}

/** Undoes a removal: the learner may join again, with the same return code, and gets a free seat. */
export async function letBack(
  trx: Transaction<Schema>,
  workshopId: WorkshopId,
  removalId: string,
): Promise<void> {
  const { numDeletedRows } = await trx
    .deleteFrom('removals')
    .where('id', '=', removalId)
    .where('workshopId', '=', workshopId)
    .executeTakeFirst();
  if (numDeletedRows === 0n) {
    throw new PublicError('not_found', 'This learner is not removed (any more), so they can join.');
  }
}

/** Which of these return codes the instructor has removed from the workshop. */
export async function removedAmong(
  db: Transaction<Schema> | Database['db'],
  workshopId: WorkshopId,
  odehashes: readonly Odehash[],
): Promise<ReadonlySet<Odehash>> {
  if (odehashes.length === 0) return new Set();
  const rows = await db
    .selectFrom('removals')
    .select('odehash')
    .where('workshopId', '=', workshopId)
    .where('odehash', 'in', odehashes)
    .execute();
  return new Set(rows.map((row) => row.odehash));
}

export function removedByInstructor(workshopName: string): PublicError {
  return new PublicError(
    'removed',
    `The instructor removed you from "${workshopName}". Talk to them if that is a mistake; they can let you back in.`,
  );
}

/** Who was removed from the workshop, the last one first. */
export async function removalsOf(db: Database['db'], id: WorkshopId): Promise<Removal[]> {
  const rows = await db
    .selectFrom('removals')
    .select(['id', 'name', 'seat', 'removedAt'])
    .where('workshopId', '=', id)
    .orderBy('removedAt', 'desc')
    .orderBy('id')
    .execute();
  return rows.map(({ removedAt, ...row }) => ({ ...row, removedAt: new Date(removedAt).toISOString() }));
}
