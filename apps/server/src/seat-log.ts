import type { SeatId } from '@clarateach/contract/ids';
import type { GatewayEvent } from '@clarateach/gateway/ports';
import type { FastifyBaseLogger } from 'fastify';
import type { DiskUse } from './disk-watch.ts';
import type { SeatLoopDeps } from './reconciler/seat-loop.ts';

/** What happens to seats, for the log: every line names workshop and seat where there is one. */
export interface SeatLog {
  readonly step: SeatLoopDeps['onStep'];
  readonly notLookedAfter: SeatLoopDeps['onError'];
  readonly notStopped: (error: unknown) => void;
  readonly gateway: (event: GatewayEvent) => void;
  /** `low`: there is little room left; otherwise there is room again. */
  readonly disk: (use: DiskUse, low: boolean) => void;
}

export function createSeatLog(log: FastifyBaseLogger): SeatLog {
  return {
    step(step, id, failure) {
      if (failure) log.warn({ ...named(id), step, failure }, 'a seat failed');
      else log.info({ ...named(id), step }, 'took a step for a seat');
    },

    notLookedAfter: (error, id) =>
      log.error({ err: error, ...named(id) }, 'a seat could not be looked after'),

    notStopped: (error) => log.error({ err: error }, 'a seat could not be stopped'),

    gateway({ id, ...rest }) {
      const fields = { ...(id ? named(id) : {}), ...rest };
      if (rest.type !== 'refused') log.info(fields, 'a seat connection');
      else if (rest.status >= 500) log.warn({ ...fields, err: rest.cause }, 'the gateway refused a request');
      else log.info(fields, 'the gateway refused a request');
    },

    disk({ place, freeBytes }, low) {
      const facts = { disk: place, freeMiB: Math.round(freeBytes / 2 ** 20) };
      if (low) log.warn(facts, 'a disk is nearly full; docker system df -v and du tell which seat fills it');
      else log.info(facts, 'a disk has room again');
    },
  };
}

function named({ workshop, seat }: SeatId): { readonly workshop: string; readonly seat: number } {
  return { workshop, seat };
}
