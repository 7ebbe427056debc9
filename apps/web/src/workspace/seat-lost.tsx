import { DoorOpen, UserX } from 'lucide-react';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { joinInfo } from '../api/learner.ts';
import type { SavedSeat } from '../join/saved-seats.ts';
import { paths } from '../paths.ts';
import type { SeatLoss } from './seat-pass.ts';

const CHECK_MS = 5_000;

interface SeatLostProps {
  readonly loss: SeatLoss;
  readonly saved: SavedSeat;
  readonly onReturn: () => void;
}

/** The workspace is over: why, and what can be done. */
export function SeatLost({ loss, saved, onReturn }: SeatLostProps) {
  const { workshop } = saved.session;
  const runs = useRunsAgain(saved.code, loss === 'ended');

  if (loss === 'removed') {
    return (
      <main className="message-page">
        <title>Removed · ClaraTeach</title>
        <div className="message-card card">
          <UserX size={40} className="lost-icon" aria-hidden />
          <div>
            <h1>You no longer have this seat</h1>
            <p className="soft">
              Your seat in “{workshop.name}” was given up or taken back by the instructor. If that is a
              mistake, talk to them; you can join again when they let you.
            </p>
          </div>
          <Link className="button primary" to={paths.join(saved.code)}>
            Go to the join page
          </Link>
        </div>
      </main>
    );
  }
  return (
    <main className="message-page">
      <title>Workshop ended · ClaraTeach</title>
      <div className="message-card card">
        <DoorOpen size={40} className="lost-icon" aria-hidden />
        <div>
          <h1>{runs ? 'The workshop runs again' : 'The workshop has ended'}</h1>
          <p className="soft">
            {runs
              ? `“${workshop.name}” was started again, with empty seats. Go back in to take one.`
              : `“${workshop.name}” is not running any more. Thank you for taking part. If it is started again, this page will say so.`}
          </p>
        </div>
        <p className="visually-hidden" role="status">
          {runs ? 'The workshop runs again' : ''}
        </p>
        {runs ? (
          <button type="button" className="button primary large" onClick={onReturn}>
            Go back in
          </button>
        ) : (
          <Link className="button" to={paths.join()}>
            Join another workshop
          </Link>
        )}
      </div>
    </main>
  );
}

function useRunsAgain(code: string, ask: boolean): boolean {
  const [runs, setRuns] = useState(false);
  useEffect(() => {
    if (!ask || runs) return;
    const timer = setInterval(() => {
      joinInfo(code).then(
        ({ state }) => setRuns(state === 'open' || state === 'full'),
        () => {
          // Not there yet, or gone for good: the page says the same either way.
        },
      );
    }, CHECK_MS);
    return () => clearInterval(timer);
  }, [code, ask, runs]);
  return runs;
}
