import { SEAT_LIMITS } from '@clarateach/contract/seat-limits';
import type { SeatSpec } from '@clarateach/seats/provider';
import type { SeatWork } from './store.ts';

/** What the seat of a row is made from. `open` unseals an instructor's API key. */
export function seatSpec(
  { row, workshop }: SeatWork,
  deps: { readonly open: (sealed: string) => string },
): SeatSpec {
  return {
    id: { workshop: row.workshopId, seat: row.seat },
    ...(workshop.image === null ? {} : { image: workshop.image }),
    env: {
      SEAT: String(row.seat),
      ...(workshop.injectApiKey === 1 && workshop.apiKeySealed !== null
        ? apiKeyEnvironment(deps.open(workshop.apiKeySealed))
        : {}),
    },
    limits: SEAT_LIMITS[workshop.runtime],
  };
}

function apiKeyEnvironment(key: string): Record<string, string> {
  // The second name is the one the claude CLI reads.
  return { CLAUDE_API_KEY: key, ANTHROPIC_API_KEY: key };
}
