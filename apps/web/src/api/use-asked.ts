import { useEffect, useRef, useState } from 'react';
import { ApiError, messageOf } from './api-error.ts';

interface Asked<T> {
  readonly data?: T;
  readonly error?: ApiError;
  /** The answer was no, and would be no again: it is not asked any more. */
  readonly refused?: boolean;
}

/**
 * The answer of a call, made when the page is shown and then every `everyMs`; what was known stays while
 * the server does not answer.
 */
export function useAsked<T>(ask: (signal: AbortSignal) => Promise<T>, everyMs?: number): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({});
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    const leave = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      let nextMs = everyMs;
      try {
        const data = await latest.current(leave.signal);
        setAsked({ data });
      } catch (error) {
        if (leave.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError('unknown', messageOf(error));
        const refused = known.status >= 400 && known.status < 500 && known.retryAfterSeconds === undefined;
        setAsked(({ data }) => ({ ...(data === undefined ? {} : { data }), error: known, refused }));
        if (refused) return;
        nextMs = (known.retryAfterSeconds ?? 5) * 1000;
      }
      if (nextMs !== undefined && !leave.signal.aborted) timer = setTimeout(() => void look(), nextMs);
    };
    void look();
    return () => {
      leave.abort();
      clearTimeout(timer);
    };
  }, [everyMs]);
  return asked;
}
