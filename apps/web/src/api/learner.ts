import type { MadeRegistration, OwnRegistration, RegisterInfo } from '@clarateach/contract/entry';
import type { HandedSession, JoinInfo, SeatSession } from '@clarateach/contract/join';
import { responseError } from './api-error.ts';
import { ANSWER_MS, reach } from './reach.ts';

/*
 * The calls a learner's pages make. Plain fetch with the contract's types: the general client
 * would cost the join page more bytes than the page itself.
 */

async function call<T>(path: string, init: RequestInit): Promise<T> {
  const response = await reach(path, init, ANSWER_MS);
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

function post<T>(path: string, body: unknown): Promise<T> {
  return call(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

export function join(request: JoinRequest): Promise<SeatSession> {
  return post('/api/join', request);
}

export function registerInfo(code: string, signal: AbortSignal): Promise<RegisterInfo> {
  return call(`/api/register/${encodeURIComponent(code)}`, { signal });
}

export interface RegisterRequest {
  readonly code: string;
  readonly name: string;
  readonly email: string;
  readonly answers: Readonly<Record<string, string>>;
}

export function register(request: RegisterRequest): Promise<MadeRegistration> {
  return post('/api/register', request);
}

export function cancelRegistration(code: string): Promise<OwnRegistration> {
  return post('/api/register/cancel', { code });
}

/** Takes over a seat by the token of a one-time link. */
export function takeOver(token: string): Promise<HandedSession> {
  return post('/api/hand-over', { token });
}

/** A new token for an old one, also one that expired less than a day ago. */
export function renew(token: string): Promise<SeatSession> {
  return call('/api/session/renew', {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: '{}',
  });
}
