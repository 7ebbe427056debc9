import type { SeatId } from '@clarateach/contract/ids';
import type { RuntimeInfo } from '@clarateach/contract/runtime';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';

/** What a seat is made from. Equal specs make equal seats; a provider never asks anybody else. */
export interface SeatSpec {
  readonly id: SeatId;
  /** A reference the provider understands; undefined for the provider's own image. */
  readonly image?: string;
  /** Given to the learner's shell. Secrets in it are readable by the learner, and by nobody else. */
  readonly env: Readonly<Record<string, string>>;
  readonly limits: SeatLimits;
}

export interface SeatLimits {
  readonly memoryMiB: number;
  readonly cpus: number;
  readonly processes: number;
  readonly openFiles: number;
}

/** What the platform sees. Never what it hopes. */
export type Observed =
  | { readonly state: 'absent' }
  | { readonly state: 'starting' }
  /** Its workspace server has answered. */
  | { readonly state: 'running'; readonly endpoint: SeatEndpoint }
  | { readonly state: 'exited'; readonly code: number; readonly reason: string }
  /** The machine that has it does not answer: it may run on, and is neither started nor given up until more is known. */
  | {
      readonly state: 'lost';
      readonly reason: string;
      /** Milliseconds since the epoch at which it is given up, and made anew without its files; left out when nobody can tell. */
      readonly givenUpAt?: number;
    };

/**
 * Where seats live. Few verbs, idempotent and cancellable; several may be under way for different
 * seats at once, never two for the same seat from one process. Every verb throws
 * {@link ProviderError} when the platform fails, and the signal's reason when it is aborted.
 */
export interface SeatProvider {
  readonly info: RuntimeInfo;

  /**
   * Before: any state. After: the seat has been asked for; `observe` says `starting`, then
   * `running`. A seat that runs is left alone; one that has exited or was stopped starts again
   * with its files. Twice is once.
   */
  ensure(spec: SeatSpec, signal: AbortSignal): Promise<void>;

  /** After: nothing of the seat runs; its files stay, and `ensure` starts it with them. An absent seat is already stopped. */
  stop(seat: SeatId, signal: AbortSignal): Promise<void>;

  /** After: nothing of the seat is left, files included. An absent seat is already destroyed. */
  destroy(seat: SeatId, signal: AbortSignal): Promise<void>;

  /** Whether the seat runs and answers, now. `absent` also for a stopped seat whose files are kept. */
  observe(seat: SeatId, signal: AbortSignal): Promise<Observed>;

  /** All seats it holds anything of for this installation, kept files included, so that orphans are found. */
  list(signal: AbortSignal): Promise<readonly SeatId[]>;

  /**
   * What it keeps ready for new seats, and how much of that it is to keep now. Left out by a provider that
   * keeps nothing.
   */
  ready?(): { readonly ready: number; readonly wanted: number };

  /** Lets go of what the provider itself holds (sockets, watchers). Seats are not touched. */
  close(): Promise<void>;
}

/**
 * `capacity`: no room now, later perhaps. `unreachable`: the platform did not answer, try again.
 * `rejected`: the same request will fail again; a person must change something.
 */
export type ProviderErrorKind = 'capacity' | 'unreachable' | 'rejected';

/** The platform failed. The message says what and what to do, for the instructor and the operator. */
export class ProviderError extends Error {
  readonly kind: ProviderErrorKind;

  constructor(kind: ProviderErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProviderError';
    this.kind = kind;
  }
}
