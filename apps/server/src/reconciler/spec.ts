import type { SeatLimits, SeatSpec } from '@clarateach/seats/provider';
import type { SeatWork } from './store.ts';

/** What a seat gets unless the operator says otherwise; `claude` and a dev server fit in. */
export const DEFAULT_LIMITS: SeatLimits = { memoryMiB: 1024, cpus: 2, processes: 512, openFiles: 4_096 };

/** What the seat of a row is made from. `open` unseals an instructor's API key. */
export function seatSpec(
  { row, workshop }: SeatWork,
  deps: { readonly open: (sealed: string) => string; readonly limits: SeatLimits },
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
    limits: deps.limits,
  };
}

function apiKeyEnvironment(key: string): Record<string, string> {
  // The second name is the one the claude CLI reads.
  return { CLAUDE_API_KEY: key, ANTHROPIC_API_KEY: key };
}
