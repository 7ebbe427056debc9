import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { PublicError } from '@clarateach/contract/errors';
import type { SeatId } from '@clarateach/contract/ids';
import type { SeatService } from './address.ts';
import { SeatFault } from './dial.ts';
import { headBytes } from './http-head.ts';

/** An answer of the gateway's own: status, headers as name/value pairs, body. */
interface OwnAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

/** Turns what was thrown into what is answered, and tells log and metrics. */
export interface Refusing {
  refuse(
    thrown: unknown,
    about: { readonly service: SeatService | undefined; readonly id: SeatId | undefined },
  ): { readonly error: PublicError; readonly requestId: string };
}

export function newRequestId(): string {
  return randomUUID();
}

/** Whatever was thrown, as what the caller is told. */
export function asPublicError(thrown: unknown): PublicError {
  if (thrown instanceof PublicError) return thrown;
  if (thrown instanceof SeatFault) {
    return thrown.kind === 'malformed'
      ? new PublicError('unavailable', 'The seat broke off its answer. Try again; files are safe.', {
          cause: thrown,
          retryAfterSeconds: 1,
        })
      : new PublicError('seat_not_running', 'The seat does not answer at the moment. Its files are safe.', {
          cause: thrown,
          retryAfterSeconds: 2,
        });
  }
  return new PublicError('internal', 'Something went wrong on our side. Try again.', { cause: thrown });
}

export function errorAnswer(error: PublicError, requestId: string, extra: readonly string[] = []): OwnAnswer {
  const headers = [
    'Content-Type',
    'application/json; charset=utf-8',
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    'Content-Security-Policy',
    "default-src 'none'; frame-ancestors 'none'",
    'X-Request-Id',
    requestId,
    ...extra,
  ];
  if (error.status === 401) headers.push('WWW-Authenticate', 'Bearer');
  if (error.retryAfterSeconds !== undefined) headers.push('Retry-After', String(error.retryAfterSeconds));
  return { status: error.status, headers, body: JSON.stringify(error.body(requestId)) };
}

/** Sends an answer, or breaks the connection when another one has begun. */
export function sendAnswer(req: IncomingMessage, res: ServerResponse, answer: OwnAnswer): void {
  if (res.headersSent || res.destroyed) {
    res.destroy();
    return;
  }
  const body = Buffer.from(answer.body);
  res.writeHead(answer.status, [...answer.headers, 'Content-Length', String(body.length)] as string[]);
  res.end(req.method === 'HEAD' ? undefined : body);
  // What is left of an upload is not wanted, and must not stop the next request on this connection.
  req.resume();
}

/** Answers a request to upgrade with something else, then hangs up. */
export function refuseUpgrade(socket: Duplex, answer: OwnAnswer): void {
  if (socket.destroyed) return;
  const body = Buffer.from(answer.body);
  const line = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? 'Refused'}`;
  const headers = [...answer.headers, 'Content-Length', String(body.length), 'Connection', 'close'];
  socket.write(headBytes(line, headers));
  // Read on, so that the kernel doesn't turn what the client has sent already into a reset.
  socket.resume();
  socket.end(body, () => setTimeout(() => socket.destroy(), 500).unref());
}
