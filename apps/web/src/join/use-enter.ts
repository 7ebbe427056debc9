import { useEffect, useState } from 'react';
import { ApiError, messageOf } from '../api/api-error.ts';
import type { JoinRequest } from '../api/learner.ts';
import { join } from '../api/learner.ts';
import type { SavedSeat } from './saved-seats.ts';

export interface Entering {
  readonly busy: boolean;
  readonly error: ApiError | undefined;
  /** Seconds until the server lets this browser try again; 0 when it may. */
  readonly waitSeconds: number;
  readonly enter: (request: JoinRequest) => Promise<void>;
}

/** Takes a seat, and knows when another attempt is pointless. */
export function useEnter(
  onEnter: (seat: SavedSeat, request: JoinRequest) => void,
  onStale: () => void,
): Entering {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ApiError>();
  const [waitSeconds, setWaitSeconds] = useState(0);

  useEffect(() => {
    if (waitSeconds <= 0) return;
    const timer = setTimeout(() => setWaitSeconds(waitSeconds - 1), 1000);
    return () => clearTimeout(timer);
  }, [waitSeconds]);

  const enter = async (request: JoinRequest) => {
    setBusy(true);
    setError(undefined);
    try {
      onEnter({ code: request.code, session: await join(request) }, request);
    } catch (caught) {
      const known = caught instanceof ApiError ? caught : new ApiError('unknown', messageOf(caught));
      setError(known);
      if (known.code === 'too_many_attempts') setWaitSeconds(Math.ceil(known.retryAfterSeconds ?? 10));
      if (known.code === 'workshop_full' || known.code === 'workshop_not_running') onStale();
      setBusy(false);
    }
  };
  return { busy, error, waitSeconds, enter };
}
