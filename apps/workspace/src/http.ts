import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { PublicError } from '@clarateach/contract/errors';

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

/** Turns an error into a response, once: what the caller can act on as it is, the rest as 500 and into the log. */
export function sendError(response: ServerResponse, error: unknown): void {
  const requestId = randomUUID();
  const known = asPublicError(error, requestId);
  if (response.headersSent) {
    // Half a body must not look like a whole one.
    response.destroy();
    return;
  }
  // The rest of a refused body is read and thrown away. Hanging up on it instead would reset the
  // connection under a client that still sends, which then never gets to see the answer.
  if (!response.req.complete) response.req.resume();
  sendJson(response, known.status, known.body(requestId));
}

/** The answer to an upgrade that is refused. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  const requestId = randomUUID();
  const known = asPublicError(error, requestId);
  const text = JSON.stringify(known.body(requestId));
  socket.on('error', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${known.status} ${REASONS[known.status] ?? 'Error'}\r\ncontent-type: application/json; charset=utf-8\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

const REASONS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  404: 'Not Found',
  500: 'Internal Server Error',
};

function asPublicError(error: unknown, requestId: string): PublicError {
  if (error instanceof PublicError) return error;
  console.error(
    JSON.stringify({
      level: 'error',
      requestId,
      message: 'A request failed',
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }),
  );
  return new PublicError(
    'internal',
    'Something went wrong inside the seat. Your files are as they were; try again.',
    {
      cause: error,
    },
  );
}

/** The whole JSON body of a request, which is small. */
export async function readJson(
  request: IncomingMessage,
  maxBytes = 64 * 1024,
): Promise<Record<string, unknown>> {
  const parts: Buffer[] = [];
  let size = 0;
  // Left early, the request must live on: its connection carries the answer.
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBytes) throw new PublicError('too_large', 'The request body is too large.');
    parts.push(part);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(parts).toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch (error) {
    throw new PublicError('invalid_input', 'The request body is not JSON.', { cause: error });
  }
  throw new PublicError('invalid_input', 'The request body is not a JSON object.');
}
