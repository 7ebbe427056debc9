import type { SeatPhase } from '@clarateach/contract/workshop';
import { defaultPolicy, type SeatSituation, seatPhase, seatReason } from '@clarateach/seats/lifecycle';
import type { Observed } from '@clarateach/seats/provider';
import type { SeatRow } from '../workshops/store.ts';

/** The one policy of this server, for what is done and for what people are told. */
export const policy = defaultPolicy;

export function observedOf(row: Pick<SeatRow, 'observed'>): Observed {
  return JSON.parse(row.observed) as Observed;
}

/** A row as the lifecycle sees it. `seen` is newer than the row's own where somebody has just looked. */
export function situationOf(
  row: SeatRow,
  look: { readonly claimed: boolean; readonly now: number; readonly seen?: Observed },
): SeatSituation {
  return {
    wanted: row.wanted,
    seen: look.seen ?? observedOf(row),
    attempts: row.attempts,
    sinceEnsureMs: row.ensuredAt === null ? undefined : look.now - row.ensuredAt,
    lastFailure:
      row.failureKind === null ? undefined : { kind: row.failureKind, message: row.failureMessage ?? '' },
    sinceFailureMs: row.failedAt === null ? undefined : look.now - row.failedAt,
    claimed: look.claimed,
  };
}

// Phases do not depend on how long ago anything was, so neither takes the time.

export function phaseOfSeat(row: SeatRow, claimed: boolean): SeatPhase {
  return seatPhase(situationOf(row, { claimed, now: 0 }), policy);
}

export function reasonOfSeat(row: SeatRow): string {
  const reason = seatReason(situationOf(row, { claimed: false, now: 0 }), policy);
  return reason === '' && row.movedFrom !== null ? movedMessage(row.movedFrom) : reason;
}

function movedMessage(worker: string): string {
  return `The seat was brought up anew on another worker, because ${new URL(worker).host} no longer answered. The files that were on it are gone.`;
}
