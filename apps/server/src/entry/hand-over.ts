import { createHash, randomBytes } from 'node:crypto';
import { randomCode } from '@clarateach/contract/codes';
import type { HandOverLink } from '@clarateach/contract/entry';
import { PublicError } from '@clarateach/contract/errors';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import { ODEHASH_LENGTH } from '../join/claims.ts';
import type { Claim } from '../join/join.ts';
import type { Database } from '../store/database.ts';
import { mayRun, noSuchWorkshop } from '../workshops/access.ts';
import type { Changes } from '../workshops/changes.ts';
import { lockWorkshop, nextRevision } from '../workshops/store.ts';

const LIFETIME_MS = 15 * 60_000;

/**
 * A way back for a learner who has lost browser, return code and access code: the instructor makes a
 * link, and whoever opens it first has the seat. The seat's return code is replaced with that, so the
 * browser that had the seat is shown out and cannot come back to it; an access code leads on to it.
 */
export interface HandOver {
  /** Throws `not_found` or, where nobody sits there, `conflict`. */
  create(userId: string, id: WorkshopId, seat: number): Promise<HandOverLink>;
  /** Throws `not_found` for a link that is used, too old, or whose learner has left the seat. */
  redeem(token: string): Promise<{ readonly claim: Claim; readonly code: string }>;
}

export function createHandOver(deps: {
  readonly database: Database;
  readonly changes: Changes;
  readonly publicUrl: string;
  readonly now: () => number;
}): HandOver {
  const { database, changes, now } = deps;

  return {
    async create(userId, id, seat) {
      const token = randomBytes(24).toString('base64url');
      const expiresAt = now() + LIFETIME_MS;
      await database.transaction(async (trx) => {
        const workshop = await lockWorkshop(database, trx, id);
        if (!workshop || !(await mayRun(trx, userId, workshop))) throw noSuchWorkshop(id);
        const session = await trx
          .selectFrom('sessions')
          .select('id')
          .where('workshopId', '=', id)
          .where('seat', '=', seat)
          .executeTakeFirst();
        if (!session) {
          throw new PublicError('conflict', `Nobody sits at seat ${seat}, so there is nothing to hand over.`);
        }
        await trx
          .deleteFrom('handOvers')
          .where((eb) => eb.or([eb('expiresAt', '<=', now()), eb('sessionId', '=', session.id)]))
          .execute();
        await trx
          .insertInto('handOvers')
          .values({ hash: hashOf(token), sessionId: session.id, workshopId: id, expiresAt })
          .execute();
      });
      return {
        // After the #, a browser tells nobody: it is in no log and no referrer.
        url: `${deps.publicUrl}/hand-over#${token}`,
        expiresAt: new Date(expiresAt).toISOString(),
      };
    },

    async redeem(token) {
      const hash = hashOf(token);
      const known = await database.db
        .selectFrom('handOvers')
        .select('workshopId')
        .where('hash', '=', hash)
        .executeTakeFirst();
      if (!known) throw usedUp();
      const taken = await database.transaction(async (trx) => {
        const workshop = await nextRevision(trx, known.workshopId);
        const link = await trx
          .deleteFrom('handOvers')
          .where('hash', '=', hash)
          .where('expiresAt', '>', now())
          .returning('sessionId')
          .executeTakeFirst();
        if (workshop?.wanted !== 'running' || !link) throw usedUp();
        const odehash = randomCode(ODEHASH_LENGTH) as Odehash;
        const before = await trx
          .selectFrom('sessions')
          .selectAll()
          .where('id', '=', link.sessionId)
          .executeTakeFirstOrThrow();
        await trx.updateTable('sessions').set({ odehash }).where('id', '=', before.id).execute();
        await trx
          .updateTable('registrations')
          .set({ odehash })
          .where('workshopId', '=', workshop.id)
          .where('odehash', '=', before.odehash)
          .execute();
        const claim: Claim = {
          workshop: { id: workshop.id, name: workshop.name },
          seat: before.seat,
          odehash,
          name: before.name,
          returning: true,
          endsAt: workshop.endsAt,
        };
        return { claim, code: workshop.code };
      });
      changes.notify(taken.claim.workshop.id);
      return taken;
    },
  };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

function usedUp(): PublicError {
  return new PublicError(
    'not_found',
    'This link was used already, is more than 15 minutes old, or its seat is not occupied any more. Ask your instructor for a new one.',
  );
}
