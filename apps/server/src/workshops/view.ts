import type {
  SeatPhase,
  SeatView,
  WorkshopDetails,
  WorkshopPhase,
  WorkshopSummary,
} from '@clarateach/contract/workshop';
import { observedOf, phaseOfSeat, reasonOfSeat } from '../reconciler/situation.ts';
import type { SeatRow, SessionRow, WorkshopRow, WorkshopState } from './store.ts';

/** How people see rows; every phase is derived here and nowhere stored. */
export interface Views {
  summary(state: WorkshopState): WorkshopSummary;
  details(state: WorkshopState): WorkshopDetails;
}

const USABLE: readonly SeatPhase[] = ['ready', 'occupied'];

export function createViews(publicUrl: string): Views {
  const seatViews = ({ workshop, seats, sessions }: WorkshopState): SeatView[] => {
    const rows = new Map(seats.map((row) => [row.seat, row]));
    const holders = new Map(sessions.map((session) => [session.seat, session]));
    return Array.from({ length: workshop.seatCount }, (_, index) =>
      seatView(index + 1, rows.get(index + 1), holders.get(index + 1)),
    );
  };

  const summary = (workshop: WorkshopRow, seats: readonly SeatView[]): WorkshopSummary => ({
    id: workshop.id,
    name: workshop.name,
    code: workshop.code,
    joinUrl: `${publicUrl}/join/${workshop.code}`,
    entry: workshop.entry,
    ownerId: workshop.ownerId,
    runtime: workshop.runtime,
    phase: phaseOfWorkshop(
      workshop.wanted,
      seats.map((seat) => seat.phase),
    ),
    seatCount: workshop.seatCount,
    readySeats: seats.filter((seat) => USABLE.includes(seat.phase)).length,
    occupiedSeats: seats.filter((seat) => seat.learner !== null).length,
    createdAt: instant(workshop.createdAt),
    startedAt: workshop.startedAt === null ? null : instant(workshop.startedAt),
    endsAt: workshop.endsAt === null ? null : instant(workshop.endsAt),
    ttlMinutes: workshop.ttlMinutes,
  });

  return {
    summary: (state) => summary(state.workshop, seatViews(state)),
    details(state) {
      const seats = seatViews(state);
      return {
        ...summary(state.workshop, seats),
        image: state.workshop.image,
        hasApiKey: state.workshop.apiKeySealed !== null,
        injectApiKey: state.workshop.injectApiKey === 1,
        seats,
      };
    },
  };
}

/** A seat without a row is off: nothing of it is wanted and nothing is left. */
function seatView(seat: number, row: SeatRow | undefined, session: SessionRow | undefined): SeatView {
  return {
    seat,
    phase: row ? phaseOfSeat(row, session !== undefined) : 'off',
    reason: row ? reasonOfSeat(row) : '',
    movesAt: row ? movesAt(row) : null,
    attempts: row?.attempts ?? 0,
    learner: session
      ? { name: session.name, odehash: session.odehash, joinedAt: instant(session.joinedAt) }
      : null,
  };
}

function movesAt(row: SeatRow): string | null {
  const seen = observedOf(row);
  const isLost = phaseOfSeat(row, false) === 'lost';
  return isLost && seen.state === 'lost' && seen.givenUpAt !== undefined ? instant(seen.givenUpAt) : null;
}

export function phaseOfWorkshop(wanted: WorkshopRow['wanted'], seats: readonly SeatPhase[]): WorkshopPhase {
  if (wanted === 'gone') return 'deleting';
  if (wanted === 'stopped') return seats.every((phase) => phase === 'off') ? 'stopped' : 'stopping';
  const failed = seats.filter((phase) => phase === 'failed').length;
  if (failed === seats.length) return 'failed';
  const lost = seats.filter((phase) => phase === 'lost').length;
  if (seats.every((phase) => phase === 'failed' || phase === 'lost' || USABLE.includes(phase)))
    return failed + lost > 0 ? 'degraded' : 'ready';
  return 'starting';
}

function instant(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
