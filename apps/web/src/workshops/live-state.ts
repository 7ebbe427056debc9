import type { WorkshopDetails, WorkshopEvent } from '@clarateach/contract/workshop';

/** Every event brings the whole new state of one thing; null once the workshop is gone. */
export function applyEvent(details: WorkshopDetails, event: WorkshopEvent): WorkshopDetails | null {
  switch (event.type) {
    case 'workshop':
      return { ...details, ...event.workshop };
    case 'seat': {
      const others = details.seats.filter(({ seat }) => seat !== event.seat.seat);
      return { ...details, seats: [...others, event.seat].sort((a, b) => a.seat - b.seat) };
    }
    case 'deleted':
      return null;
    default:
      // A newer server may tell more than this page knows.
      return details;
  }
}

export interface SeatCounts {
  readonly total: number;
  /** Usable: free and occupied. */
  readonly ready: number;
  readonly occupied: number;
  readonly failed: number;
}

export function countSeats(details: WorkshopDetails): SeatCounts {
  let [ready, occupied, failed] = [0, 0, 0];
  for (const { phase } of details.seats) {
    if (phase === 'ready' || phase === 'occupied') ready += 1;
    if (phase === 'occupied') occupied += 1;
    if (phase === 'failed') failed += 1;
  }
  return { total: details.seats.length, ready, occupied, failed };
}
