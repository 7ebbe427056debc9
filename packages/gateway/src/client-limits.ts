import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
import { PublicError } from '@clarateach/contract/errors';
import { errorAnswer, newRequestId } from './refusal.ts';

/** Settings for `createServer`: how long a client may take to say what it wants, and how much that may be. */
export const SERVER_LIMITS = {
  headersTimeout: 15_000,
  /** An upload of a gigabyte over a slow line takes its time; {@link limitClients} ends those that hardly move. */
  requestTimeout: 60 * 60 * 1000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 * 1024,
  connectionsCheckingInterval: 5_000,
} as const;

export interface ClientLimits {
  /** Open connections from one network address; 0: any number. An IPv6 client is its /64. */
  readonly connectionsPerAddress: number;
  /** A request's body has this long to arrive at whatever pace. */
  readonly graceMs?: number;
  /** Bytes a second, from then on, on the average since the request began. */
  readonly slowestBytesPerSecond?: number;
  /** How long an answer may wait for a client that takes nothing of it in. */
  readonly stalledAfterMs?: number;
}

const GRACE_MS = 30_000;
const SLOWEST_BYTES_PER_SECOND = 1024;
const STALLED_AFTER_MS = 120_000;
const TOO_MANY =
  'HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n';

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly since: number;
  readonly readBefore: number;
  /** What the client had not taken in when it was last seen to take something. */
  written: number;
  waiting: number;
  movedAt: number;
}

/**
 * Bounds what one client can hold of a server: connections, and requests and answers that hardly
 * move. WebSockets are not looked at here; they have heartbeats. Ends with the server.
 */
export function limitClients(server: Server, limits: ClientLimits): void {
  countConnections(server, limits.connectionsPerAddress);
  endSlowExchanges(server, {
    graceMs: limits.graceMs ?? GRACE_MS,
    slowest: limits.slowestBytesPerSecond ?? SLOWEST_BYTES_PER_SECOND,
    stalledAfterMs: limits.stalledAfterMs ?? STALLED_AFTER_MS,
  });
}

function countConnections(server: Server, most: number): void {
  if (most === 0) return;
  const open = new Map<string, number>();
  server.prependListener('connection', (socket: Socket) => {
    const from = clientOf(socket.remoteAddress ?? '');
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
    if (count > most) {
      socket.on('error', () => undefined);
      // What it sends is not waited for.
      socket.end(TOO_MANY, () => socket.destroy());
    }
  });
}

/** Whoever has an IPv6 address has the 2^64 beside it as well. */
function clientOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const parts = head.split(':');
  if (tail !== undefined) parts.push(...Array<string>(8).fill('0'));
  return parts
    .slice(0, 4)
    .map((part) => part || '0')
    .join(':');
}

function endSlowExchanges(
  server: Server,
  { graceMs, slowest, stalledAfterMs }: { graceMs: number; slowest: number; stalledAfterMs: number },
): void {
  const underWay = new Set<Exchange>();
  server.on('request', (request, response) => {
    const now = performance.now();
    const exchange: Exchange = {
      request,
      response,
      since: now,
      readBefore: request.socket.bytesRead,
      written: 0,
      waiting: 0,
      movedAt: now,
    };
    underWay.add(exchange);
    response.once('close', () => underWay.delete(exchange));
  });
  const sweep = () => {
    const now = performance.now();
    for (const exchange of underWay) {
      if (arrivesTooSlowly(exchange, now)) endLate(exchange);
      else if (isStalled(exchange, now)) exchange.response.destroy();
    }
  };
  const arrivesTooSlowly = ({ request, since, readBefore }: Exchange, now: number): boolean => {
    if (request.complete || now - since < graceMs) return false;
    return ((request.socket.bytesRead - readBefore) * 1000) / (now - since) < slowest;
  };
  const isStalled = (exchange: Exchange, now: number): boolean => {
    const { bytesWritten, writableLength } = exchange.request.socket;
    const moved = writableLength === 0 || bytesWritten - writableLength > exchange.written - exchange.waiting;
    if (moved) exchange.movedAt = now;
    exchange.written = bytesWritten;
    exchange.waiting = writableLength;
    return now - exchange.movedAt > stalledAfterMs;
  };
  const timer = setInterval(sweep, Math.min(5_000, graceMs / 2, stalledAfterMs / 2)).unref();
  server.once('close', () => clearInterval(timer));
}

/** Says why, if that can still be said, and hangs up: the rest of the body is not waited for. */
function endLate({ request, response }: Exchange): void {
  if (!response.headersSent) {
    const error = new PublicError('request_timeout', 'The request did not arrive in time.');
    const { status, headers, body } = errorAnswer(error, newRequestId());
    response.writeHead(status, [...headers, 'Connection', 'close', 'Content-Length', String(body.length)]);
    response.end(body);
  }
  request.socket.destroySoon();
}
