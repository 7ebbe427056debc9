import { PublicError } from '@clarateach/contract/errors';
import type { Odehash, SeatId, WorkshopId } from '@clarateach/contract/ids';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';
import { CLOSE_GOING_AWAY, CLOSE_REMOVED, CLOSE_TOKEN_EXPIRED } from '@clarateach/contract/terminal';
import { type Dial, type DialSettings, dialPort, dialTunnel } from './dial.ts';
import type { Clock, PublicKeys, Revocations, SeatRoutes } from './ports.ts';
import { SeatPool } from './seat-pool.ts';

/** One relay under way for one learner. */
export interface LiveLink {
  readonly odehash: Odehash;
  /** Seconds since the epoch, when the seat token behind it was made. */
  readonly iat: number;
  /** The key that it was signed with. */
  readonly kid: string;
  readonly socket: boolean;
  /** Ends it; a WebSocket is told the code. */
  end(code: number, reason: string): void;
}

/** Requests under way and WebSockets of one seat: more than a class looking at one learner's work needs. */
export const CONNECTIONS_PER_SEAT = 256;

interface LinkSettings extends DialSettings {
  /** How long a seat may take to begin its answer, once it has the whole request. */
  readonly responseTimeoutMs: number;
  readonly connectionsPerSeat: number;
}

export function sameEndpoint(a: SeatEndpoint, b: SeatEndpoint | undefined): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case 'tcp':
      return b?.kind === 'tcp' && a.host === b.host;
    case 'unix':
      return b?.kind === 'unix' && a.directory === b.directory;
    case 'agent':
      return b?.kind === 'agent' && a.url === b.url;
  }
}

/** Everything that is open between the gateway and one seat at one endpoint. */
export class SeatLinks {
  readonly id: SeatId;
  readonly endpoint: SeatEndpoint;
  readonly live = new Set<LiveLink>();
  readonly #pools = new Map<string, SeatPool>();
  readonly #settings: LinkSettings;
  readonly #clock: Clock;

  constructor(id: SeatId, endpoint: SeatEndpoint, settings: LinkSettings, clock: Clock) {
    this.id = id;
    this.endpoint = endpoint;
    this.#settings = settings;
    this.#clock = clock;
  }

  /** Throws when the seat has as many relays as it may. */
  checkRoom(): void {
    if (this.live.size >= this.#settings.connectionsPerSeat) {
      const message = 'Too many connections to this seat are open. Close some pages or programs that use it.';
      throw new PublicError('too_many_attempts', message, { retryAfterSeconds: 5 });
    }
  }

  /** Connections to a port of the seat's own servers. */
  port(port: number): SeatPool {
    return this.#pool(`port ${port}`, () => dialPort(this.endpoint, port, this.#settings));
  }

  /** Connections to a port of the learner's own. */
  tunnel(port: number): SeatPool {
    return this.#pool(`tunnel ${port}`, () => this.dialTunnel(port));
  }

  dialTunnel(port: number): Dial {
    return dialTunnel(this.endpoint, port, this.#settings);
  }

  sweep(): void {
    for (const [name, pool] of this.#pools) {
      pool.sweep(this.#settings.responseTimeoutMs);
      if (pool.empty) this.#pools.delete(name);
    }
  }

  get empty(): boolean {
    return this.live.size === 0 && this.#pools.size === 0;
  }

  end(code: number, reason: string): void {
    for (const link of [...this.live]) link.end(code, reason);
  }

  destroyPools(): void {
    for (const pool of this.#pools.values()) pool.destroy();
    this.#pools.clear();
  }

  #pool(name: string, dial: () => Dial): SeatPool {
    let pool = this.#pools.get(name);
    if (!pool) {
      pool = new SeatPool(dial(), this.#clock);
      this.#pools.set(name, pool);
    }
    return pool;
  }
}

/** The open connections of all seats; ends those that a changed route no longer allows. */
export class LinkTable {
  readonly #seats = new Map<string, SeatLinks>();
  readonly #settings: LinkSettings;
  readonly #clock: Clock;
  readonly #routes: SeatRoutes;
  readonly #keys: PublicKeys;
  readonly #unsubscribe: (() => void)[];
  readonly #sweeper: NodeJS.Timeout;

  constructor(
    {
      routes,
      keys,
      revocations,
    }: { routes: SeatRoutes; keys: PublicKeys; revocations: Revocations | undefined },
    settings: LinkSettings,
    clock: Clock,
  ) {
    this.#routes = routes;
    this.#keys = keys;
    this.#settings = settings;
    this.#clock = clock;
    this.#unsubscribe = [routes.onChange((id) => this.#onChange(id))];
    const unsubscribe = keys.onGone?.(() => this.#onKeysGone());
    if (unsubscribe) this.#unsubscribe.push(unsubscribe);
    if (revocations) {
      this.#unsubscribe.push(
        revocations.onChange(({ workshopId, odehash }) =>
          this.#onRevoked(workshopId, odehash, revocations.notBefore(workshopId, odehash)),
        ),
      );
    }
    const everyMs = Math.min(1000, Math.max(20, settings.responseTimeoutMs / 4));
    this.#sweeper = setInterval(() => this.#sweep(), everyMs);
    this.#sweeper.unref();
  }

  at(id: SeatId, endpoint: SeatEndpoint): SeatLinks {
    const key = `${id.workshop}/${id.seat}`;
    const known = this.#seats.get(key);
    if (known && sameEndpoint(known.endpoint, endpoint)) return known;
    if (known) this.#leave(known);
    const links = new SeatLinks(id, endpoint, this.#settings, this.#clock);
    this.#seats.set(key, links);
    return links;
  }

  /** Throws when the key went while the request was looked after: its end came before there was a link to end. */
  checkKey(kid: string): void {
    if (this.#keys.find(kid) !== undefined) return;
    throw new PublicError('unauthenticated', 'This seat token is not valid any more. Join again.');
  }

  *all(): Iterable<LiveLink> {
    for (const seat of this.#seats.values()) yield* seat.live;
  }

  live(): boolean {
    for (const _ of this.all()) return true;
    return false;
  }

  /** WebSockets that are open or opening. */
  sockets(): number {
    let count = 0;
    for (const link of this.all()) if (link.socket) count++;
    return count;
  }

  /** Ends everything: WebSockets are told to come back, what is left after `graceMs` is cut. */
  async close(graceMs: number): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    clearInterval(this.#sweeper);
    for (const link of [...this.all()])
      if (link.socket) link.end(CLOSE_GOING_AWAY, 'the server is going away');
    const deadline = Date.now() + graceMs;
    while (Date.now() < deadline && this.live()) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const seat of this.#seats.values()) {
      seat.end(CLOSE_GOING_AWAY, 'the server is going away');
      seat.destroyPools();
    }
    this.#seats.clear();
  }

  #leave(links: SeatLinks): void {
    links.end(CLOSE_GOING_AWAY, 'the seat has moved or stopped');
    links.destroyPools();
  }

  #onChange(id: SeatId): void {
    const key = `${id.workshop}/${id.seat}`;
    const links = this.#seats.get(key);
    if (!links) return;
    const route = this.#routes.find(id);
    for (const link of [...links.live]) {
      if (route && route.holder !== link.odehash) link.end(CLOSE_REMOVED, 'you no longer hold this seat');
    }
    if (!route || !sameEndpoint(links.endpoint, route.endpoint)) {
      this.#seats.delete(key);
      this.#leave(links);
    }
  }

  #onRevoked(workshop: WorkshopId, odehash: Odehash, notBefore: number): void {
    for (const { id, live } of this.#seats.values()) {
      if (id.workshop !== workshop) continue;
      for (const link of [...live]) {
        if (link.odehash === odehash && link.iat < notBefore) {
          link.end(CLOSE_REMOVED, 'you were removed from the workshop');
        }
      }
    }
  }

  #onKeysGone(): void {
    for (const link of [...this.all()]) {
      if (this.#keys.find(link.kid) === undefined) link.end(CLOSE_TOKEN_EXPIRED, 'the seat token has ended');
    }
  }

  #sweep(): void {
    for (const [key, links] of this.#seats) {
      links.sweep();
      if (links.empty) this.#seats.delete(key);
    }
  }
}
