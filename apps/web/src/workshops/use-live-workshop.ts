import type { WorkshopDetails, WorkshopEvent } from '@clarateach/contract/workshop';
import type { UseQueryResult } from '@tanstack/react-query';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { queries, queryClient } from '../api/queries.ts';
import { applyEvent } from './live-state.ts';

/** How long a stream that the server refused rests before it is asked for again. */
const REOPEN_MS = 3_000;

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

    const open = () => {
      source = new EventSource(`/api/workshops/${encodeURIComponent(id)}/events`);
      source.onopen = () => setLive('live');
      source.onmessage = ({ data }: MessageEvent<string>) => {
        const event = JSON.parse(data) as WorkshopEvent;
        if (event.type === 'deleted') {
          source.close();
          setLive('deleted');
          void queryClient.invalidateQueries({ queryKey: queries.workshops.queryKey, exact: true });
          return;
        }
        queryClient.setQueryData(queryKey, (details) => details && (applyEvent(details, event) ?? details));
      };
      source.onerror = () => {
        setLive('interrupted');
        if (source.readyState !== EventSource.CLOSED) return;
        timer = setTimeout(() => {
          void queryClient.invalidateQueries({ queryKey });
          open();
        }, REOPEN_MS);
      };
    };
    open();
    return () => {
      clearTimeout(timer);
      source.close();
    };
  }, [id, known]);

  return { ...query, live };
}
