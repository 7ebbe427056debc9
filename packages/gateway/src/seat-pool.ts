import type { Socket } from 'node:net';
import { type Dial, SeatFault } from './dial.ts';
import type { Clock } from './ports.ts';
import {
  Connection,
  type ConnectionOwner,
  Exchange,
  type ResponseSink,
  type UpstreamRequest,
} from './upstream.ts';

/** Shorter than the five seconds after which Node's own servers hang up. */
const IDLE_MS = 4000;
const MAX_IDLE = 32;

/** Kept connections to one port of one seat. */
export class SeatPool implements ConnectionOwner {
  readonly clock: Clock;
  readonly #dial: Dial;
  readonly #idle: Connection[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #active = new Set<Exchange>();

  constructor(dial: Dial, clock: Clock) {
    this.#dial = dial;
    this.clock = clock;
  }

  get empty(): boolean {
    return this.#sockets.size === 0;
  }

  /** Makes the exchange that {@link start} sends: a sink may need it from its first call on. */
  prepare(request: UpstreamRequest, sink: ResponseSink): Exchange {
    return new Exchange(this, request, sink);
  }

  start(exchange: Exchange): void {
    this.#active.add(exchange);
    let kept = this.#idle.pop();
    while (kept && (kept.socket.destroyed || this.clock() - kept.idleSince > IDLE_MS)) {
      kept.socket.destroy();
      kept = this.#idle.pop();
    }
    if (kept) kept.begin(exchange);
    else this.redial(exchange);
  }

  redial(exchange: Exchange): void {
    const socket = this.#dial((fault, ready, early) => {
      if (exchange.over || fault) {
        ready.destroy();
        if (exchange.over || !fault) return;
        exchange.over = true;
        this.settle(exchange);
        exchange.sink.fail(fault);
        return;
      }
      const connection = new Connection(this, ready);
      // A server that speaks first doesn't speak HTTP.
      if (early.length > 0) ready.unshift(early);
      connection.begin(exchange);
    });
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }

  settle(exchange: Exchange): void {
    this.#active.delete(exchange);
  }

  release(connection: Connection): void {
    connection.idleSince = this.clock();
    if (this.#idle.length < MAX_IDLE) this.#idle.push(connection);
    else connection.socket.destroy();
  }

  forget(connection: Connection): void {
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Closes what has been idle for long, and gives up on answers that are overdue. */
  sweep(responseTimeoutMs: number): void {
    const now = this.clock();
    for (const { socket } of this.#idle.filter(({ idleSince }) => now - idleSince > IDLE_MS))
      socket.destroy();
    for (const exchange of this.#active) {
      if (exchange.waitingSince === 0 || now - exchange.waitingSince <= responseTimeoutMs) continue;
      exchange.abort();
      exchange.sink.fail(new SeatFault('malformed', 'the seat did not answer in time'));
    }
  }

  destroy(): void {
    for (const exchange of [...this.#active]) {
      exchange.abort();
      exchange.sink.fail(new SeatFault('unreachable', 'the seat went away'));
    }
    for (const socket of this.#sockets) socket.destroy();
  }
}
