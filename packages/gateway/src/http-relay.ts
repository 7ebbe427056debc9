import type { IncomingMessage, ServerResponse } from 'node:http';
import { PublicError } from '@clarateach/contract/errors';
import type { SeatFault } from './dial.ts';
import type { ResponseHead } from './http-head.ts';
import type { SeatPool } from './seat-pool.ts';
import type { Exchange, ResponseSink, UpstreamRequest } from './upstream.ts';

export interface HttpRelay {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly pool: SeatPool;
  /** What the seat is asked for, query included. */
  readonly path: string;
  readonly host: string;
  /** Header lines for the seat, without host and framing. */
  readonly headerLines: string;
  /** The headers that the client gets, as name/value pairs. */
  answerHeaders(head: ResponseHead): string[];
  /** Nothing has been sent to the client yet: answer it. */
  onFault(fault: SeatFault): void;
  /** Called once, when the relay is over in whatever way. */
  onOver(): void;
}

function bodyOf(req: IncomingMessage): UpstreamRequest['body'] {
  const coding = req.headers['transfer-encoding'];
  if (coding !== undefined) {
    if (coding.toLowerCase() !== 'chunked') {
      throw new PublicError('invalid_input', 'A request body may be chunked, and coded in no other way.');
    }
    return 'chunked';
  }
  const length = req.headers['content-length'];
  return length === undefined || length === '0' ? 'none' : 'counted';
}

class ClientSink implements ResponseSink {
  readonly #relay: HttpRelay;
  readonly #body: UpstreamRequest['body'];
  exchange: Exchange | undefined;
  #reading = false;

  constructor(relay: HttpRelay, body: UpstreamRequest['body']) {
    this.#relay = relay;
    this.#body = body;
  }

  ready(): void {
    if (this.#body === 'none' || this.#reading) return;
    this.#reading = true;
    const { req } = this.#relay;
    req.on('data', (bytes: Buffer) => {
      if (this.exchange && !this.exchange.write(bytes)) req.pause();
    });
    req.on('end', () => this.exchange?.endBody());
  }

  drain(): void {
    this.#relay.req.resume();
  }

  head(head: ResponseHead): void {
    this.#relay.res.writeHead(head.status, this.#relay.answerHeaders(head));
  }

  flush(): void {
    this.#relay.res.flushHeaders();
  }

  data(bytes: Buffer, last: boolean): boolean {
    const { res } = this.#relay;
    if (!last) return res.write(bytes);
    res.end(bytes);
    this.#over();
    return true;
  }

  end(): void {
    this.#relay.res.end();
    this.#over();
  }

  fail(fault: SeatFault): void {
    this.#over();
    // A body that breaks off must look broken to the client too.
    if (this.#relay.res.headersSent) this.#relay.res.destroy();
    else this.#relay.onFault(fault);
  }

  /** An upload whose answer came early is read to its end and dropped. */
  #over(): void {
    if (this.#reading) {
      this.#relay.req.removeAllListeners('data');
      this.#relay.req.resume();
    }
    this.#relay.onOver();
  }
}

/** Sends a request to a seat and its answer back, streaming both ways. Throws what must not be sent on. */
export function relayHttp(relay: HttpRelay): Exchange {
  const { req, res, pool } = relay;
  const method = req.method ?? 'GET';
  const body = bodyOf(req);
  let framing = '';
  if (body === 'chunked') framing = 'Transfer-Encoding: chunked\r\n';
  else if (req.headers['content-length'] !== undefined) {
    framing = `Content-Length: ${req.headers['content-length']}\r\n`;
  }
  const head = `${method} ${relay.path} HTTP/1.1\r\nHost: ${relay.host}\r\n${framing}${relay.headerLines}\r\n`;
  const sink = new ClientSink(relay, body);
  // The sink needs its exchange before a kept connection makes it ready.
  const exchange = pool.prepare({ head, method, body }, sink);
  sink.exchange = exchange;
  res.on('drain', () => exchange.resume());
  res.on('close', () => {
    if (exchange.over) return;
    exchange.abort();
    relay.onOver();
  });
  pool.start(exchange);
  return exchange;
}
