import { randomCode } from '@clarateach/contract/codes';
import { type Odehash, type SeatId, seatName } from '@clarateach/contract/ids';
import type { SeatRoutes } from '@clarateach/gateway/ports';
import { ODEHASH_LENGTH } from '../join/claims.ts';
import type { SeatTokens, TokenSubject } from './seat-tokens.ts';

type Issued = Awaited<ReturnType<SeatTokens['issue']>>;

/** A prepared token is made anew before it has lost much of its two hours. */
const FRESH_MS = 10 * 60_000;
const LOOK_MS = 60_000;

/**
 * For each free seat, the return code of whoever comes next and their token, made before they come: a
 * signature costs more than all the rest of a join, and a class joins in one second. Kept in memory
 * alone; a token that nobody claimed opens nothing, because nobody holds its return code's seat.
 */
export interface PreparedSeats {
  /** The return code that the next learner of a free seat gets; undefined while none is prepared. */
  odehash(id: SeatId): Odehash | undefined;
  /** The token that was made for this claim; each is given once. */
  take(subject: TokenSubject): Issued | undefined;
  close(): Promise<void>;
}

interface Prepared {
  readonly id: SeatId;
  readonly odehash: Odehash;
  readonly issued: Issued;
  readonly at: number;
  /** Somebody has claimed the seat with this return code. */
  held: boolean;
}

export function createPreparedSeats(deps: {
  readonly routes: SeatRoutes;
  readonly issue: SeatTokens['issue'];
  /** Asked before a token is given: its key may have been replaced since. */
  readonly isHonoured: SeatTokens['isHonoured'];
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): PreparedSeats {
  const { routes, now } = deps;
  const prepared = new Map<string, Prepared>();
  const waiting = new Map<string, SeatId>();
  let working: Promise<void> | undefined;
  let closed = false;

  const isFree = (id: SeatId) => {
    const route = routes.find(id);
    return route?.endpoint !== undefined && route.holder === undefined;
  };

  // One at a time, so that joins never wait behind more than one signature.
  const work = async () => {
    for (const [name, id] of waiting) {
      if (closed) return;
      waiting.delete(name);
      if (!isFree(id)) continue;
      const odehash = randomCode(ODEHASH_LENGTH) as Odehash;
      const issued = await deps.issue({ workshop: { id: id.workshop }, seat: id.seat, odehash });
      prepared.set(name, { id, odehash, issued, at: now(), held: false });
    }
  };

  const prepare = (id: SeatId) => {
    waiting.set(seatName(id), id);
    working ??= work()
      .catch(deps.onError)
      .finally(() => {
        working = undefined;
      });
  };

  const unsubscribe = routes.onChange((id) => {
    const name = seatName(id);
    const entry = prepared.get(name);
    if (isFree(id)) {
      // A return code that somebody has had is never another's.
      if (entry?.held) prepared.delete(name);
      if (!prepared.has(name)) prepare(id);
    } else if (entry !== undefined && entry.odehash === routes.find(id)?.holder) {
      // The claim is told of before it is answered, and the answer takes the token.
      entry.held = true;
    } else prepared.delete(name);
  });

  const renewal = setInterval(() => {
    for (const [name, { id, at, held, issued }] of prepared) {
      if (held || !isFree(id)) prepared.delete(name);
      else if (now() - at > FRESH_MS || !deps.isHonoured(issued.token)) prepare(id);
    }
  }, LOOK_MS);

  return {
    odehash(id) {
      const entry = prepared.get(seatName(id));
      return entry?.held === false ? entry.odehash : undefined;
    },
    take({ workshop, seat, odehash }) {
      const name = seatName({ workshop: workshop.id, seat });
      const entry = prepared.get(name);
      if (entry?.odehash !== odehash || now() - entry.at > FRESH_MS + LOOK_MS) return undefined;
      prepared.delete(name);
      return deps.isHonoured(entry.issued.token) ? entry.issued : undefined;
    },
    async close() {
      closed = true;
      unsubscribe();
      clearInterval(renewal);
      await working;
    },
  };
}
