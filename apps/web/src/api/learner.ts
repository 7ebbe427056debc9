import type { JoinInfo, SeatSession } from '@clarateach/contract/join';
import { offline, responseError } from './api-error.ts';

/*
 * The three calls a learner's pages make. Plain fetch with the contract's types: the general client
 * would cost the join page more bytes than the page itself.
 */

async function call<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw offline(error);
  }
  if (!response.ok) throw await responseError(response);
  return (await response.json()) as T;
}

export function joinInfo(code: string, signal?: AbortSignal): Promise<JoinInfo> {
  return call(`/api/session/${encodeURIComponent(code)}`, signal ? { signal } : {});
}

export interface JoinRequest {
  readonly code: string;
  readonly name: string;
  readonly odehash?: string;
}

export function join(request: JoinRequest): Promise<SeatSession> {
  return call('/api/join', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(request),
  });
}

/** A new token for an old one, also one that expired less than a day ago. */
export function renew(token: string): Promise<SeatSession> {
  return call('/api/session/renew', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: '{}',
  });
}
