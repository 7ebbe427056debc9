import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { SeatRoute, SeatRoutes } from '@clarateach/gateway/ports';

/** How long a learner's first request waits for the server's word that the seat is theirs. */
const HOLDER_WAIT_MS = 1_500;

/** The gateway's routes to the seats of this machine; `tell` says that one has changed. */
export function createSeatRoutes(seats: {
  readonly find: (id: SeatId) => SeatRoute | undefined;
  /** Asks the provider for a seat, and has `find` know what it says. */
  readonly look: (id: SeatId) => Promise<unknown>;
}): { readonly routes: SeatRoutes; tell(id: SeatId): void } {
  const { find, look } = seats;
  const listeners = new Set<(id: SeatId) => void>();

  const nextChange = (id: SeatId, ms: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timeout);
        listeners.delete(listener);
        resolve();
      };
      const listener = (changed: SeatId): void => {
        if (seatName(changed) === seatName(id)) done();
      };
      const timeout = setTimeout(done, ms);
      timeout.unref();
      listeners.add(listener);
    });

  return {
    routes: {
      find,
      async refresh(id) {
        const before = find(id);
        if (!before) return undefined;
        if (!before.endpoint) await look(id);
        // Without a holder that fits, the server's word may be under way.
        else await nextChange(id, HOLDER_WAIT_MS);
        return find(id);
      },
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    tell(id) {
      for (const listener of [...listeners]) listener(id);
    },
  };
}
