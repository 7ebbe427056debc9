import type { KeyObject } from 'node:crypto';
import type { ErrorCode } from '@clarateach/contract/errors';
import type { Odehash, SeatId, WorkshopId } from '@clarateach/contract/ids';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';
import type { SeatService } from './address.ts';

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
  /**
   * Asks the source of truth, when `find` has no answer that lets a valid token pass; afterwards
   * `find` knows the answer too. A rejection is answered with 503. Asked at most once a second for
   * the same seat and learner.
   */
  refresh(id: SeatId): Promise<SeatRoute | undefined>;
  /** Called after a route changed or went away, so that connections under the old one are closed. Returns the unsubscribe. */
  onChange(listener: (id: SeatId) => void): () => void;
}

/** Public keys by `kid`, from memory; verifiers refresh them beside the request path. */
export interface PublicKeys {
  /** The same object for the same key: a verified token is remembered together with the object that verified it. */
  find(kid: string): KeyObject | undefined;
  /**
   * Called after a key went away, so that connections under its tokens are closed. Returns the unsubscribe.
   * Left out where keys never go.
   */
  onGone?(listener: () => void): () => void;
}

/** Tokens that were taken back before their end, from memory. */
export interface Revocations {
  /** Seconds since the epoch: this learner's tokens with an earlier `iat` are refused; 0 when none are. */
  notBefore(workshopId: WorkshopId, odehash: Odehash): number;
  /** Called after somebody's tokens were taken back, so that their connections are closed. Returns the unsubscribe. */
  onChange(
    listener: (revoked: { readonly workshopId: WorkshopId; readonly odehash: Odehash }) => void,
  ): () => void;
}

/** Milliseconds since the epoch. */
export type Clock = () => number;

/** What happens in the gateway, for logs and metrics. Never holds a token, a ticket, a path or a query. */
export type GatewayEvent =
  | {
      readonly type: 'refused';
      readonly code: ErrorCode;
      readonly status: number;
      readonly requestId: string;
      readonly service: SeatService | undefined;
      readonly id: SeatId | undefined;
      /** What went wrong behind the answer, where something did. */
      readonly cause?: unknown;
    }
  | { readonly type: 'opened'; readonly service: SeatService; readonly id: SeatId }
  | {
      readonly type: 'closed';
      readonly service: SeatService;
      readonly id: SeatId;
      /** The close code that the gateway itself sent; undefined when client or seat ended it. */
      readonly code: number | undefined;
      readonly durationMs: number;
    };

/** Counted since the gateway was made. */
export interface GatewayStats {
  /** HTTP requests that were relayed to a seat. */
  readonly requests: number;
  /** WebSockets that were opened to a seat. */
  readonly upgrades: number;
  /** Answers that the gateway itself refused with, by code. */
  readonly refusals: Readonly<Partial<Record<ErrorCode, number>>>;
}
