import type { WorkshopDetails, WorkshopEvent } from '@clarateach/contract/workshop';
import type { UseQueryResult } from '@tanstack/react-query';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { queries, queryClient } from '../api/queries.ts';
import { applyEvent } from './live-state.ts';

/** How long a stream that the server refused rests before it is asked for again. */
const REOPEN_MS = 3_000;
/** A stream does not tell of a server or a network that went silent: whether it answers is asked beside it. */
const CHECK_MS = 15_000;
const ANSWER_MS = 8_000;

export type Live = 'connecting' | 'live' | 'interrupted' | 'deleted';

/**
 * A workshop that keeps itself up to date. The browser resumes a cut stream with `Last-Event-ID`; one
 * that was refused is opened anew, and the whole state is read again.
 */
export function useLiveWorkshop(id: string): UseQueryResult<WorkshopDetails> & { live: Live } {
  const query = useQuery(queries.workshop(id));
  const [live, setLive] = useState<Live>('connecting');
  const known = query.data !== undefined;

  useEffect(() => {
    if (!known) return;
    const { queryKey } = queries.workshop(id);
    let source: EventSource;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let silent = false;
    let left = false;

    const openAnew = () => {
      void queryClient.invalidateQueries({ queryKey });
      open();
    };
    const check = async () => {
      const answers = await isAnswered();
      if (left) return;
      if (!answers) setLive('interrupted');
      if (answers && silent) {
        clearTimeout(timer);
        source.close();
        openAnew();
      }
      silent = !answers;
    };

    const open = () => {
      source = new EventSource(`/api/workshops/${encodeURIComponent(id)}/events`);
      source.onopen = () => setLive('live');
      source.onmessage = ({ data }: MessageEvent<string>) => {
        const event = JSON.parse(data) as WorkshopEvent;
        if (event.type === 'deleted') {
          source.close();
          clearInterval(checks);
          left = true;
          setLive('deleted');
          void queryClient.invalidateQueries({ queryKey: queries.workshops.queryKey, exact: true });
          return;
        }
        queryClient.setQueryData(queryKey, (details) => details && (applyEvent(details, event) ?? details));
      };
      source.onerror = () => {
        setLive('interrupted');
        if (source.readyState !== EventSource.CLOSED) return;
        timer = setTimeout(openAnew, REOPEN_MS);
      };
    };
    open();
    const checks = setInterval(() => void check(), CHECK_MS);
    const look = () => void check();
    window.addEventListener('offline', look);
    window.addEventListener('online', look);
    return () => {
      left = true;
      window.removeEventListener('offline', look);
      window.removeEventListener('online', look);
      clearInterval(checks);
      clearTimeout(timer);
      source.close();
    };
  }, [id, known]);

  return { ...query, live };
}

async function isAnswered(): Promise<boolean> {
  try {
    const response = await fetch('/api/health', {
      cache: 'no-store',
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}
