import { offline } from './api-error.ts';

/** A server that has gone silent counts as not reached after this. */
export const ANSWER_MS = 60_000;

/**
 * fetch, whose failure to get an answer is an `ApiError` that says `offline`. With `answerMs` that is also an
 * answer that has not begun by then: not for what sends a large body. Whoever aborts gets their own error.
 */
export async function reach(address: string, init: RequestInit, answerMs?: number): Promise<Response> {
  const late = new AbortController();
  const timer =
    answerMs === undefined ? undefined : setTimeout(() => late.abort(new Error('No answer came.')), answerMs);
  try {
    const signal = init.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
    return await fetch(address, { ...init, signal });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw offline(error);
  } finally {
    clearTimeout(timer);
  }
}
