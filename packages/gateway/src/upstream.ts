import type { Socket } from 'node:net';
import { ChunkedDecoder } from './chunked.ts';
import { SeatFault } from './dial.ts';
import { HeadCollector, parseResponseHead, type ResponseHead } from './http-head.ts';
import type { Clock } from './ports.ts';

export interface UpstreamRequest {
  /** Request line and headers, with the empty line. */
  readonly head: string;
  readonly method: string;
  readonly body: 'none' | 'counted' | 'chunked';
}

/** Who takes a response in. After `end` or `fail` nothing more is called. */
export interface ResponseSink {
  /** The head is on its way: now send the body, if there is one. */
  ready(): void;
  head(head: ResponseHead, bodiless: boolean): void;
  /** The head came alone; the body takes its time. */
  flush(): void;
  /** `last`: this ends the body, and `end` is not called. False asks for a pause until `resume`. */
  data(bytes: Buffer, last: boolean): boolean;
  end(): void;
  /** The seat takes more of the request's body. */
  drain(): void;
  fail(fault: SeatFault): void;
}

/** Who keeps the connections of a seat, and gives them to exchanges. */
export interface ConnectionOwner {
  readonly clock: Clock;
  /** The exchange is over. */
  settle(exchange: Exchange): void;
  /** The connection may be used again. */
  release(connection: Connection): void;
  /** The connection has ended. */
  forget(connection: Connection): void;
  /** The exchange needs another connection. */
  redial(exchange: Exchange): void;
}

/** One request and its response. */
export class Exchange {
  readonly request: UpstreamRequest;
  readonly sink: ResponseSink;
  connection: Connection | undefined;
  /** When the seat was last waited for; 0 while the request is still being sent. */
  waitingSince = 0;
  sent: boolean;
  over = false;
  readonly #owner: ConnectionOwner;

  constructor(owner: ConnectionOwner, request: UpstreamRequest, sink: ResponseSink) {
    this.#owner = owner;
    this.request = request;
    this.sink = sink;
    this.sent = request.body === 'none';
  }

  /** Sends body bytes; false asks to wait for `drain`. */
  write(bytes: Buffer): boolean {
    const socket = this.connection?.socket;
    if (!socket || this.over || bytes.length === 0) return true;
    if (this.request.body !== 'chunked') return socket.write(bytes);
    socket.cork();
    socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1');
    socket.write(bytes);
    const room = socket.write('\r\n', 'latin1');
    socket.uncork();
    return room;
  }

  endBody(): void {
    if (this.over || this.sent) return;
    this.sent = true;
    this.waitingSince = this.#owner.clock();
    if (this.request.body === 'chunked') this.connection?.socket.write('0\r\n\r\n', 'latin1');
  }

  pause(): void {
    this.connection?.socket.pause();
  }

  resume(): void {
    this.connection?.socket.resume();
  }

  /** The client went away, or must not have more: the connection is of no further use. */
  abort(): void {
    if (this.over) return;
    this.over = true;
    this.#owner.settle(this);
    this.connection?.socket.destroy();
  }
}

/** One connection to a seat, for one exchange after the other. */
export class Connection {
  readonly socket: Socket;
  readonly #owner: ConnectionOwner;
  #exchange: Exchange | undefined;
  #collector = new HeadCollector();
  #head: ResponseHead | undefined;
  #decoder: ChunkedDecoder | undefined;
  #remaining = 0;
  #answered = false;
  #uses = 0;
  idleSince = 0;

  constructor(owner: ConnectionOwner, socket: Socket) {
    this.#owner = owner;
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => this.#onEnd(true));
    socket.on('close', () => this.#onEnd(false));
    socket.on('drain', () => this.#exchange?.sink.drain());
  }

  begin(exchange: Exchange): void {
    this.#exchange = exchange;
    this.#head = undefined;
    this.#decoder = undefined;
    this.#answered = false;
    this.#uses++;
    exchange.connection = this;
    exchange.waitingSince = exchange.sent ? this.#owner.clock() : 0;
    this.socket.write(exchange.request.head, 'latin1');
    this.socket.resume();
    exchange.sink.ready();
  }

  #onData(chunk: Buffer): void {
    const exchange = this.#exchange;
    if (!exchange || exchange.over) {
      // Nobody asked: whatever this is, the next request must not get it as its answer.
      this.socket.destroy();
      return;
    }
    this.#answered = true;
    exchange.waitingSince = 0;
    try {
      this.#take(exchange, chunk);
    } catch (cause) {
      this.#fail(new SeatFault('malformed', 'the seat sent a malformed response', { cause }));
    }
  }

  #take(exchange: Exchange, chunk: Buffer): void {
    let bytes = chunk;
    while (!this.#head) {
      const complete = this.#collector.take(bytes);
      if (!complete) return;
      bytes = complete.rest;
      const head = parseResponseHead(complete.text);
      // Informational answers are for this hop: the client has had its 100 from the server already.
      if (head.status < 200) {
        if (head.status === 101) throw new SeatFault('malformed', 'the seat switched protocols unasked');
        continue;
      }
      this.#head = head;
      const bodiless = exchange.request.method === 'HEAD' || head.status === 204 || head.status === 304;
      exchange.sink.head(head, bodiless);
      if (bodiless || head.framing === 0) {
        exchange.sink.end();
        this.#finish(exchange, bytes.length === 0);
        return;
      }
      if (head.framing === 'chunked') this.#decoder = new ChunkedDecoder();
      else this.#remaining = head.framing === 'close' ? Number.POSITIVE_INFINITY : head.framing;
      if (bytes.length === 0) exchange.sink.flush();
    }
    if (bytes.length === 0) return;
    if (this.#decoder) this.#takeChunked(exchange, this.#decoder, bytes);
    else this.#takeCounted(exchange, bytes);
  }

  #takeCounted(exchange: Exchange, bytes: Buffer): void {
    const body = bytes.length > this.#remaining ? bytes.subarray(0, this.#remaining) : bytes;
    this.#remaining -= body.length;
    const last = this.#remaining === 0;
    if (!exchange.sink.data(body, last)) this.socket.pause();
    if (last) this.#finish(exchange, body.length === bytes.length);
  }

  #takeChunked(exchange: Exchange, decoder: ChunkedDecoder, bytes: Buffer): void {
    let room = true;
    let taken = false;
    const used = decoder.feed(bytes, (data) => {
      taken = true;
      room = exchange.sink.data(data, false) && room;
    });
    if (decoder.done) {
      exchange.sink.end();
      this.#finish(exchange, used === bytes.length);
    } else if (!taken) exchange.sink.flush();
    else if (!room) this.socket.pause();
  }

  /** The response is whole. `clean`: nothing came after it. */
  #finish(exchange: Exchange, clean: boolean): void {
    exchange.over = true;
    this.#exchange = undefined;
    this.#owner.settle(exchange);
    if (clean && this.#head?.keepAlive && this.#head.framing !== 'close' && exchange.sent) {
      this.socket.resume();
      this.#owner.release(this);
    } else this.socket.destroy();
  }

  /** `whole`: the seat said so; a reset says nothing about what is missing. */
  #onEnd(whole: boolean): void {
    this.#owner.forget(this);
    this.socket.destroy();
    const exchange = this.#exchange;
    if (!exchange || exchange.over) return;
    if (whole && this.#head?.framing === 'close') {
      exchange.over = true;
      this.#exchange = undefined;
      this.#owner.settle(exchange);
      exchange.sink.end();
      return;
    }
    // A connection kept from before may end just as it is used again.
    const { method, body } = exchange.request;
    const harmless = body === 'none' && (method === 'GET' || method === 'HEAD');
    const repeatable = harmless && this.#uses > 1 && !this.#answered;
    if (repeatable) {
      this.#exchange = undefined;
      this.#owner.redial(exchange);
    } else this.#fail(new SeatFault('malformed', 'the seat hung up in the middle'));
  }

  #fail(fault: SeatFault): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.socket.destroy();
    if (!exchange || exchange.over) return;
    exchange.over = true;
    this.#owner.settle(exchange);
    exchange.sink.fail(fault);
  }
}
