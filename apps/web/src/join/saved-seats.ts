import type { SeatSession } from '@clarateach/contract/join';

/** What this browser keeps of a seat, so that a reload goes straight back to it. */
export interface SavedSeat {
  readonly code: string;
  readonly session: SeatSession;
  /** When the session came, in milliseconds by this browser's clock. */
  readonly receivedAt?: number;
}

type Keep = Pick<Storage, 'getItem' | 'setItem'>;

const keyOf = (workshopId: string) => `clarateach.seat.${workshopId}`;

/** Seats by workshop. A browser without storage keeps them as long as the page lives. */
export class SavedSeats {
  readonly #storage: Keep;
  readonly #now: () => number;
  readonly #here = new Map<string, SavedSeat>();

  constructor(storage: Keep, now: () => number) {
    this.#storage = storage;
    this.#now = now;
  }

  find(workshopId: string): SavedSeat | undefined {
    const here = this.#here.get(workshopId);
    if (here) return here;
    try {
      const value: unknown = JSON.parse(this.#storage.getItem(keyOf(workshopId)) ?? 'null');
      return isSavedSeat(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps a session that has just come. */
  save({ code, session }: SavedSeat): void {
    const { id } = session.workshop;
    const seat = { code, session, receivedAt: this.#now() };
    this.#here.set(id, seat);
    try {
      this.#storage.setItem(keyOf(id), JSON.stringify(seat));
    } catch {
      // Full or blocked: the return code still leads back.
    }
  }
}

function isSavedSeat(value: unknown): value is SavedSeat {
  if (typeof value !== 'object' || value === null) return false;
  const { code, session } = value as Partial<SavedSeat>;
  return (
    typeof code === 'string' &&
    typeof session?.token === 'string' &&
    typeof session.endpoint === 'string' &&
    typeof session.odehash === 'string' &&
    typeof session.workshop?.id === 'string'
  );
}
