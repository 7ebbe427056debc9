import { ArrowRight } from 'lucide-react';
import { useState } from 'react';
import { Link, useLocation, useNavigate } from 'react-router';
import { messageOf } from '../api/api-error.ts';
import { takeOver } from '../api/learner.ts';
import { browserSeats } from '../join/browser-seats.ts';
import { paths } from '../paths.ts';
import { Notice } from '../ui/notice.tsx';
import { Spinner } from '../ui/spinner.tsx';
import { LearnerCard } from './learner-card.tsx';
import '../join/join.css';

/**
 * Opens a seat by the instructor's one-time link. A press of the button uses the link up, not the mere
 * opening: programs that look at links ahead of people would.
 */
export function HandOverPage() {
  const { hash } = useLocation();
  const token = hash.slice(1);
  const navigate = useNavigate();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();

  const open = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      const { code, ...session } = await takeOver(token);
      browserSeats.save({ code, session });
      navigate(paths.workspace(session.workshop.id), { replace: true });
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };

  return (
    <LearnerCard title="Back to your seat">
      <div>
        <h1>Back to your seat</h1>
        <p className="soft">
          Your instructor made this link for you. It opens your seat, with your files, in this browser. It
          works once; a browser that had the seat before is shown out.
        </p>
      </div>
      {token === '' && <Notice tone="bad">The link is not whole. Copy all of it, to its last letter.</Notice>}
      {problem !== undefined && <Notice tone="bad">{problem}</Notice>}
      <button
        type="button"
        className="button primary large"
        disabled={busy || token === ''}
        onClick={() => void open()}
      >
        {busy && <Spinner />}
        Open my seat {!busy && <ArrowRight size={18} aria-hidden />}
      </button>
      <p className="soft small-text">
        You have a code? <Link to={paths.join()}>Join with it</Link>
      </p>
    </LearnerCard>
  );
}
