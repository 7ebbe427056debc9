import { DoorOpen, UserX } from 'lucide-react';
import { Link } from 'react-router';
import { joinInfo } from '../api/learner.ts';
import { useAsked } from '../api/use-asked.ts';
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
export function SeatLost({ loss, ...props }: SeatLostProps) {
  return loss === 'removed' ? <Removed {...props} /> : <Ended {...props} />;
}

function Removed({ saved }: Omit<SeatLostProps, 'loss'>) {
  return (
    <main className="message-page">
      <title>Removed · ClaraTeach</title>
      <div className="message-card card">
        <UserX size={40} className="lost-icon" aria-hidden />
        <div>
          <h1>You no longer have this seat</h1>
          <p className="soft">
            Your seat in “{saved.session.workshop.name}” was given up or taken back by the instructor. If that
            is a mistake, talk to them; you can join again when they let you.
          </p>
        </div>
        <Link className="button primary" to={paths.join(saved.code)}>
          Go to the join page
        </Link>
      </div>
    </main>
  );
}

/** Asks whether the workshop runs again, until it is known that it never will. */
function Ended({ saved, onReturn }: Omit<SeatLostProps, 'loss'>) {
  const { name } = saved.session.workshop;
  const { data, refused } = useAsked((signal) => joinInfo(saved.code, signal), CHECK_MS);
  const runs = refused !== true && (data?.state === 'open' || data?.state === 'full');
  return (
    <main className="message-page">
      <title>Workshop ended · ClaraTeach</title>
      <div className="message-card card">
        <DoorOpen size={40} className="lost-icon" aria-hidden />
        <div>
          <h1>{runs ? 'The workshop runs again' : 'The workshop has ended'}</h1>
          <p className="soft">
            {runs
              ? `“${name}” was started again, with empty seats. Go back in to take one.`
              : refused
                ? `“${name}” is over, and its seats are gone. Thank you for taking part.`
                : `“${name}” is not running any more. Thank you for taking part. If it is started again, this page will say so.`}
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
