import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CLOSE_GOING_AWAY } from '@clarateach/contract/terminal';
import { ChunkedDecoder } from './chunked.ts';
import { type Dial, SeatFault } from './dial.ts';
import { closeFrame, FrameBoundary } from './frame-boundary.ts';
import { HeadCollector, headBytes, parseResponseHead, type ResponseHead } from './http-head.ts';

/** Within this, a connection that must end does end, whatever the other side does. */
const GRACE_MS = 900;
const MAX_EARLY_BYTES = 64 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;

export interface WebSocketRelay {
  readonly client: Duplex;
  /** What the client sent right after its request. */
  readonly early: Buffer;
  readonly dial: Dial;
  /** The request that the seat gets, with the empty line. */
  readonly request: string;
  readonly answerTimeoutMs: number;
  /** The headers of a 101 for the client, beside `Upgrade` and `Connection`. Throws a {@link SeatFault} when it may not pass. */
  acceptHeaders(head: ResponseHead): readonly string[];
  onOpen(): void;
  /** The seat answered, but with something else than a 101. */
  onRefused(head: ResponseHead, body: Buffer): void;
  onFault(fault: SeatFault): void;
  /** Called once, when neither side is left. `code`: what the gateway closed it with. */
  onOver(code: number | undefined): void;
}

/** One WebSocket between a client and a seat; the bytes pass as they are. */
export class WebSocketLink {
  readonly #relay: WebSocketRelay;
  readonly #client: Duplex;
  readonly #seat: Socket;
  readonly #boundary = new FrameBoundary();
  readonly #collector = new HeadCollector();
  #state: 'connecting' | 'asking' | 'refused' | 'open' | 'ending' | 'over' = 'connecting';
  #early: Buffer[] = [];
  #earlyBytes = 0;
  #closeWith: Buffer | undefined;
  #code: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #refusal:
    | { head: ResponseHead; decoder: ChunkedDecoder | undefined; body: Buffer[]; size: number }
    | undefined;

  constructor(relay: WebSocketRelay) {
    this.#relay = relay;
    this.#client = relay.client;
    this.#client.on('error', () => this.#destroy());
    this.#client.on('close', () => this.#destroy());
    this.#client.on('end', () => this.#onClientEnd());
    this.#client.on('data', (bytes: Buffer) => this.#fromClient(bytes));
    if (relay.early.length > 0) this.#fromClient(relay.early);
    this.#seat = relay.dial((fault, _socket, early) => this.#onDialled(fault, early));
    this.#seat.on('error', () => this.#seat.destroy());
    this.#client.resume();
  }

  /** Tells the client why, between two frames, and ends both sides within a second. */
  close(code: number, reason: string): void {
    if (this.#state === 'ending' || this.#state === 'over') return;
    this.#code = code;
    if (this.#state !== 'open') {
      this.#fault(new SeatFault('unreachable', 'the seat went away'));
      return;
    }
    this.#endWithin(GRACE_MS);
    if (this.#boundary.closing) {
      this.#endBoth();
      return;
    }
    this.#closeWith = closeFrame(code, reason);
    if (this.#boundary.atBoundary) this.#sendClose();
  }

  #onDialled(fault: SeatFault | undefined, early: Buffer): void {
    if (this.#state === 'over') return;
    if (fault) {
      this.#fault(fault);
      return;
    }
    this.#state = 'asking';
    this.#seat.on('data', (bytes: Buffer) => this.#fromSeat(bytes));
    this.#seat.on('end', () => this.#onSeatEnd());
    this.#seat.on('close', () => this.#onSeatEnd());
    this.#seat.on('drain', () => this.#client.resume());
    this.#client.on('drain', () => this.#seat.resume());
    const overdue = new SeatFault('malformed', 'the seat did not answer in time');
    this.#timer = setTimeout(() => this.#fault(overdue), this.#relay.answerTimeoutMs);
    if (early.length > 0) this.#seat.unshift(early);
    this.#seat.write(this.#relay.request, 'latin1');
    this.#seat.resume();
  }

  #fromSeat(bytes: Buffer): void {
    switch (this.#state) {
      case 'asking':
        this.#attempt(() => this.#takeHead(bytes));
        return;
      case 'refused':
        this.#attempt(() => this.#takeRefusal(bytes));
        return;
      case 'open':
        break;
      default:
        return;
    }
    if (this.#closeWith) {
      const rest = this.#boundary.followToBoundary(bytes);
      this.#client.write(bytes.subarray(0, rest));
      if (this.#boundary.atBoundary) this.#sendClose();
      return;
    }
    this.#boundary.follow(bytes);
    if (!this.#client.write(bytes)) this.#seat.pause();
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (cause) {
      const message = 'the seat answered an upgrade with something else';
      this.#fault(cause instanceof SeatFault ? cause : new SeatFault('malformed', message, { cause }));
    }
  }

  #takeHead(bytes: Buffer): void {
    const complete = this.#collector.take(bytes);
    if (!complete) return;
    const head = parseResponseHead(complete.text);
    if (head.status !== 101) {
      if (head.status < 200) throw new SeatFault('malformed', 'an answer that is none');
      this.#state = 'refused';
      const decoder = head.framing === 'chunked' ? new ChunkedDecoder() : undefined;
      this.#refusal = { head, decoder, body: [], size: 0 };
      this.#takeRefusal(complete.rest);
      return;
    }
    const headers = ['Upgrade', 'websocket', 'Connection', 'Upgrade', ...this.#relay.acceptHeaders(head)];
    clearTimeout(this.#timer);
    this.#state = 'open';
    this.#client.write(headBytes('HTTP/1.1 101 Switching Protocols', headers));
    this.#relay.onOpen();
    for (const early of this.#early) this.#fromClient(early);
    this.#early = [];
    this.#client.resume();
    if (complete.rest.length > 0) this.#fromSeat(complete.rest);
  }

  #takeRefusal(bytes: Buffer): void {
    const refusal = this.#refusal;
    if (!refusal) return;
    const add = (data: Buffer): void => {
      refusal.size += data.length;
      if (refusal.size <= MAX_REFUSAL_BYTES) refusal.body.push(data);
    };
    if (refusal.decoder) refusal.decoder.feed(bytes, add);
    else add(bytes);
    const { framing } = refusal.head;
    const whole = refusal.decoder
      ? refusal.decoder.done
      : framing !== 'close' && refusal.size >= Number(framing);
    if (whole || refusal.size > MAX_REFUSAL_BYTES) this.#endRefusal();
  }

  #endRefusal(): void {
    const { head, body } = this.#refusal as { head: ResponseHead; body: Buffer[] };
    this.#leaveClient(() => this.#relay.onRefused(head, Buffer.concat(body)));
  }

  #fromClient(bytes: Buffer): void {
    if (this.#state === 'open') {
      // After the decision to close, what the client types goes nowhere.
      if (!this.#closeWith && !this.#seat.write(bytes)) this.#client.pause();
    } else if (this.#state === 'connecting' || this.#state === 'asking') {
      this.#early.push(bytes);
      this.#earlyBytes += bytes.length;
      if (this.#earlyBytes > MAX_EARLY_BYTES) this.#client.pause();
    }
  }

  #onClientEnd(): void {
    if (this.#state === 'open') {
      this.#seat.end();
      this.#endWithin(GRACE_MS);
    } else this.#destroy();
  }

  #onSeatEnd(): void {
    if (this.#state === 'asking') this.#fault(new SeatFault('malformed', 'the seat hung up on an upgrade'));
    else if (this.#state === 'refused') this.#endRefusal();
    else if (this.#state === 'open') {
      // Without a close frame the seat did not mean to: the client is told to come back.
      if (this.#boundary.closing) {
        this.#endWithin(GRACE_MS);
        this.#endBoth();
      } else if (this.#boundary.atBoundary && !this.#closeWith)
        this.close(CLOSE_GOING_AWAY, 'the seat went away');
      else this.#destroy();
    }
  }

  #sendClose(): void {
    this.#client.write(this.#closeWith);
    this.#endBoth();
  }

  #endBoth(): void {
    this.#state = 'ending';
    this.#client.end();
    this.#client.resume();
    this.#seat.end();
    this.#seat.resume();
  }

  #endWithin(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#destroy(), ms);
  }

  #fault(fault: SeatFault): void {
    this.#leaveClient(() => this.#relay.onFault(fault));
  }

  /** The client is answered by somebody else from here on. */
  #leaveClient(answer: () => void): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearTimeout(this.#timer);
    this.#seat.destroy();
    this.#client.removeAllListeners('data');
    this.#client.removeAllListeners('end');
    answer();
    this.#relay.onOver(undefined);
  }

  #destroy(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    clearTimeout(this.#timer);
    this.#client.destroy();
    this.#seat?.destroy();
    this.#relay.onOver(this.#code);
  }
}
