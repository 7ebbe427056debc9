import type { JoinInfo } from '@clarateach/contract/join';
import { ArrowRight } from 'lucide-react';
import type { JoinRequest } from '../api/learner.ts';
import { Spinner } from '../ui/spinner.tsx';
import { EntryError } from './entry-error.tsx';
import type { SavedSeat } from './saved-seats.ts';
import { useEnter } from './use-enter.ts';
import { WorkshopState } from './workshop-state.tsx';

interface WelcomeBackProps {
  readonly saved: SavedSeat;
  readonly info: JoinInfo;
  readonly onEnter: (seat: SavedSeat, request: JoinRequest) => void;
  /** Somebody else sits at this browser. */
  readonly onStranger: () => void;
}

export function WelcomeBack({ saved, info, onEnter, onStranger }: WelcomeBackProps) {
  const { session, code } = saved;
  const entering = useEnter(onEnter, () => {});
  const closed = info.state === 'stopped';
  return (
    <div className="stack">
      {closed && <WorkshopState info={info} />}
      <div className="welcome-seat">
        <span className="seat-disc">{session.seat}</span>
        <div>
          <strong>Welcome back, {session.name}</strong>
          <div className="soft">You have seat {session.seat} here.</div>
        </div>
      </div>
      <EntryError entering={entering} />
      <button
        type="button"
        className="button primary large"
        disabled={entering.busy || closed || entering.waitSeconds > 0}
        onClick={() => void entering.enter({ code, name: session.name, odehash: session.odehash })}
      >
        {entering.busy && <Spinner />}
        Return to seat {session.seat} <ArrowRight size={18} aria-hidden />
      </button>
      <button type="button" className="button quiet" onClick={onStranger}>
        I am not {session.name}
      </button>
    </div>
  );
}
