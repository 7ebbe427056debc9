import type { JsonWebKey } from 'node:crypto';
import type { Odehash, SeatId } from '@clarateach/contract/ids';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';

/** A seat as the gateway knows it. */
export interface SeatRoute {
  readonly id: SeatId;
  /** Undefined while the seat is not running: the gateway answers 503. */
  readonly endpoint: SeatEndpoint | undefined;
  /** Who holds the seat. A token passes only while its odehash is this one, so a lost claim shuts its token out at once. */
  readonly holder: Odehash | undefined;
}

/** What the gateway asks whoever mounts it. */
export interface SeatRoutes {
  /**
   * The route as this process knows it, without I/O: undefined for a seat that does not exist.
   */
  find(id: SeatId): SeatRoute | undefined;
  /** Asks the source of truth, when `find` has no answer that lets a valid token pass. */
  refresh(id: SeatId): Promise<SeatRoute | undefined>;
  /** Called after a route changed or went away, so that connections under the old one are closed. Returns the unsubscribe. */
  onChange(listener: (id: SeatId) => void): () => void;
}

/** Public keys by `kid`, from memory; verifiers refresh them beside the request path. */
export interface PublicKeys {
  find(kid: string): JsonWebKey | undefined;
}
