import type { SeatSession } from '@clarateach/contract/join';
import { ApiError } from '../api/api-error.ts';
import type { JoinRequest } from '../api/learner.ts';
import type { SavedSeat } from '../join/saved-seats.ts';
import { throughServer } from './seat-address.ts';

/** `removed`: the learner no longer holds the seat. `ended`: the workshop is not running any more. */
export type SeatLoss = 'removed' | 'ended';

/** The seat is lost; nothing that this page does brings it back. */
export class SeatLostError extends Error {
  readonly loss: SeatLoss;

  constructor(loss: SeatLoss, cause: unknown) {
    super(`The seat is lost: ${loss}`, { cause });
    this.name = 'SeatLostError';
    this.loss = loss;
  }
}

/** A token this close to its end is exchanged before it is used. */
const RENEW_BEFORE_MS = 60_000;
/** The share of a token's remaining life after which it is renewed in the background. */
const RENEW_AT_SHARE = 0.75;
/** So long before the workshop's end the seat is renewed again and again: the end may have been moved. */
const END_IS_NEAR_MS = 16 * 60_000;
const NEAR_END_MS = 60_000;

interface SeatPassParts {
  readonly saved: SavedSeat;
  readonly renew: (token: string) => Promise<SeatSession>;
  readonly join: (request: JoinRequest) => Promise<SeatSession>;
  readonly save: (seat: SavedSeat) => void;
  readonly now: () => number;
}

function aheadMs({ issuedAt }: SeatSession, receivedAt: number): number {
  return issuedAt === undefined ? 0 : Date.parse(issuedAt) - receivedAt;
}

function lossOf(error: unknown): SeatLoss | undefined {
  if (!(error instanceof ApiError)) return undefined;
  switch (error.code) {
    case 'removed':
    case 'forbidden':
    case 'workshop_full':
      return 'removed';
    case 'workshop_not_running':
    case 'unknown_code':
    case 'not_found':
      return 'ended';
    default:
      return undefined;
  }
}

/** The learner's right to the seat, kept fresh: renewed before it expires, won back when it is refused. */
export class SeatPass {
  readonly #parts: SeatPassParts;
  #session: SeatSession;
  /** How far the server's clock is ahead of this browser's, which may go hours wrong. */
  #aheadMs: number;
  #renewing: Promise<SeatSession> | undefined;
  /** Where the server says that the seat is, and this browser's network does not lead. */
  #unreachable: string | undefined;

  constructor(parts: SeatPassParts) {
    this.#parts = parts;
    const { session, receivedAt } = parts.saved;
    this.#session = session;
    this.#aheadMs = receivedAt === undefined ? 0 : aheadMs(session, receivedAt);
  }

  get session(): SeatSession {
    return this.#session.endpoint === this.#unreachable ? throughServer(this.#session) : this.#session;
  }

  /** This browser does not reach the seat where it is: until the server names another place, the server leads to it. */
  goThroughServer(): void {
    this.#unreachable = this.#session.endpoint;
  }

  /** Takes {@link goThroughServer} back. */
  goStraight(): void {
    this.#unreachable = undefined;
  }

  get code(): string {
    return this.#parts.saved.code;
  }

  /** A session whose token is good for a while yet. Throws {@link SeatLostError}, or an ApiError to try again. */
  async fresh(): Promise<SeatSession> {
    return this.#leftMs(this.#session.expiresAt) > RENEW_BEFORE_MS ? this.session : this.renew();
  }

  /** A session with another token than this one, which was refused before its time: its key may have been ended. */
  async insteadOf(refused: string): Promise<SeatSession> {
    return this.#session.token === refused ? this.renew() : this.fresh();
  }

  /** Exchanges the token now; several callers share one exchange. */
  renew(): Promise<SeatSession> {
    this.#renewing ??= this.#exchange().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Milliseconds from now until a renewal in the background is due. */
  renewalDelayMs(): number {
    const untilEndMs = this.endsInMs() ?? Number.POSITIVE_INFINITY;
    return Math.max(
      5_000,
      Math.min(
        this.#leftMs(this.#session.expiresAt) * RENEW_AT_SHARE,
        untilEndMs > END_IS_NEAR_MS ? untilEndMs - END_IS_NEAR_MS : NEAR_END_MS,
      ),
    );
  }

  /** Milliseconds until the workshop stops by itself; undefined where no end is set. */
  endsInMs(): number | undefined {
    const { endsAt } = this.#session;
    return endsAt === undefined ? undefined : this.#leftMs(endsAt);
  }

  /** Milliseconds until an instant by the server's clock. */
  #leftMs(instant: string): number {
    return Date.parse(instant) - this.#parts.now() - this.#aheadMs;
  }

  async #exchange(): Promise<SeatSession> {
    const { renew, save, saved } = this.#parts;
    try {
      this.#session = await renew(this.#session.token).catch((error: unknown) => this.#return(error));
    } catch (error) {
      const loss = lossOf(error);
      throw loss === undefined ? error : new SeatLostError(loss, error);
    }
    this.#aheadMs = aheadMs(this.#session, this.#parts.now());
    save({ code: saved.code, session: this.#session });
    return this.session;
  }

  /** A token that cannot be exchanged, being too old or of a key that has ended: code and return code lead back to the seat. */
  async #return(error: unknown): Promise<SeatSession> {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    const { name, odehash } = this.#session;
    return this.#parts.join({ code: this.#parts.saved.code, name, odehash });
  }
}
