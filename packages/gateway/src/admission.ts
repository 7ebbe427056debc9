import { PublicError } from '@clarateach/contract/errors';
import type { Odehash, SeatId, WorkshopId } from '@clarateach/contract/ids';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';
import type { Clock, Revocations, SeatRoute, SeatRoutes } from './ports.ts';

/** Who asks, as a seat token or a preview's cookie says it. */
export interface Pass {
  readonly workshopId: WorkshopId;
  readonly seat: number;
  readonly odehash: Odehash;
  /** Seconds since the epoch, when the seat token behind it was made. */
  readonly iat: number;
  /** Seconds since the epoch. */
  readonly exp: number;
  /** The key that the seat token behind it was signed with. */
  readonly kid: string;
}

const REFRESH_EVERY_MS = 1000;

interface Asked {
  readonly at: number;
  /** Until it has come. */
  answer: Promise<SeatRoute | undefined> | undefined;
}

export interface Admission {
  /**
   * Where the seat is, when this learner may use it. Answers at once while the route in memory lets
   * them pass. Throws or rejects with the {@link PublicError} to answer with.
   */
  admit(pass: Pass, id: SeatId): SeatEndpoint | Promise<SeatEndpoint>;
}

function passes(route: SeatRoute | undefined, pass: Pass): SeatEndpoint | undefined {
  return route !== undefined && route.holder === pass.odehash ? route.endpoint : undefined;
}

function judge(route: SeatRoute | undefined, pass: Pass): SeatEndpoint {
  if (!route) throw new PublicError('not_found', 'There is no such seat: its workshop may have ended.');
  if (route.holder !== pass.odehash) {
    throw new PublicError('removed', 'You no longer hold this seat. Join again, or ask your instructor.');
  }
  if (!route.endpoint) {
    throw new PublicError('seat_not_running', 'The seat is not running at the moment. Its files are safe.', {
      retryAfterSeconds: 2,
    });
  }
  return route.endpoint;
}

export function createAdmission({
  routes,
  revocations,
  clock,
}: {
  routes: SeatRoutes;
  revocations: Revocations | undefined;
  clock: Clock;
}): Admission {
  // By seat and learner: one who lost a seat and keeps asking must not delay the one who has it now.
  const asked = new Map<string, Asked>();

  function refresh(pass: Pass, id: SeatId): Promise<SeatRoute | undefined> {
    const key = `${id.workshop}/${id.seat}/${pass.odehash}`;
    const now = clock();
    const recent = asked.get(key);
    if (recent && now - recent.at < REFRESH_EVERY_MS) {
      // An answer that has come is in `routes` by now, and may be out of date here.
      return recent.answer ?? Promise.resolve(routes.find(id));
    }
    for (const [other, { at }] of asked) {
      if (now - at < REFRESH_EVERY_MS) break;
      asked.delete(other);
    }
    const entry: Asked = { at: now, answer: undefined };
    const answer = routes.refresh(id).finally(() => {
      entry.answer = undefined;
    });
    entry.answer = answer;
    asked.delete(key);
    asked.set(key, entry);
    return answer;
  }

  async function ask(pass: Pass, id: SeatId): Promise<SeatEndpoint> {
    let route: SeatRoute | undefined;
    try {
      route = await refresh(pass, id);
    } catch (cause) {
      const message = 'The server cannot tell at the moment whose seat this is. Try again in a few seconds.';
      throw new PublicError('unavailable', message, { cause, retryAfterSeconds: 2 });
    }
    return judge(route, pass);
  }

  return {
    admit(pass, id) {
      if (pass.workshopId !== id.workshop || pass.seat !== id.seat) {
        // Learners may know how many seats their own workshop has, and nothing of another.
        if (pass.workshopId === id.workshop && !routes.find(id)) return judge(undefined, pass);
        throw new PublicError('forbidden', 'This token is for another seat.');
      }
      // Before the route is asked: who was let back in may hold the same seat with a later token.
      if (revocations && pass.iat < revocations.notBefore(pass.workshopId, pass.odehash)) {
        throw new PublicError(
          'removed',
          'You were removed from this workshop. Talk to your instructor if that is a mistake.',
        );
      }
      return passes(routes.find(id), pass) ?? ask(pass, id);
    },
  };
}
