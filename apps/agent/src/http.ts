import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { AGENT_API_VERSION, AGENT_VERSION_HEADER } from '@clarateach/contract/agent-api';
import { type AgentError, asAgentError, AgentError as Failure } from './errors.ts';

const BODY_LIMIT_BYTES = 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

/** What a handler answers; 204 has no body. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly type?: string;
}

export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Left early, the request must live on: its connection carries the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > BODY_LIMIT_BYTES) throw new Failure('too_large', 'The request is larger than 1 MiB.');
    chunks.push(chunk as Buffer);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw new Failure('invalid_input', 'The body must be JSON.', { cause });
  }
}

export function send(response: ServerResponse, { status, body, type }: Answer): void {
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    [AGENT_VERSION_HEADER]: String(AGENT_API_VERSION),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    ...(body === undefined
      ? {}
      : {
          'content-type': type ?? 'application/json; charset=utf-8',
          'content-length': Buffer.byteLength(text),
        }),
  });
  response.end(text);
}

export function errorOf(error: AgentError, requestId: string): Answer {
  return { status: error.status, body: { error: { code: error.code, message: error.message, requestId } } };
}

/** Answers with the error, and gives it for the log. */
export function sendError(
  response: ServerResponse,
  thrown: unknown,
): { error: AgentError; requestId: string } {
  const error = asAgentError(thrown);
  const requestId = randomUUID();
  if (error.code === 'capacity') response.setHeader('retry-after', RETRY_AFTER_SECONDS);
  if (error.allow !== undefined) response.setHeader('allow', error.allow);
  if (error.code === 'unauthenticated') response.setHeader('www-authenticate', 'Bearer');
  send(response, errorOf(error, requestId));
  return { error, requestId };
}
