import type { AdminOverview } from '@clarateach/contract/health';
import type { WorkshopState } from './store.ts';
import type { Views } from './view.ts';

/** All workshops and their seats in figures, for operators. */
export function overviewOf(
  states: readonly WorkshopState[],
  views: Views,
): Omit<AdminOverview, 'health' | 'connections'> {
  const all = states.map((state) => views.details(state));
  const running = states.filter(({ workshop }) => workshop.wanted === 'running');
  const seats = all.flatMap((details) => details.seats);
  return {
    workshops: states.length,
    runningWorkshops: running.length,
    seats: {
      wanted: running.reduce((sum, { workshop }) => sum + workshop.seatCount, 0),
      ready: seats.filter((seat) => seat.phase === 'ready').length,
      occupied: seats.filter((seat) => seat.phase === 'occupied').length,
      failed: seats.filter((seat) => seat.phase === 'failed').length,
      lost: seats.filter((seat) => seat.phase === 'lost').length,
    },
  };
}
