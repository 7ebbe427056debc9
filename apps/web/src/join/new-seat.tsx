import { ArrowRight } from 'lucide-react';
import { Notice } from '../ui/notice.tsx';
import type { SavedSeat } from './saved-seats.ts';

interface NewSeatProps {
  readonly seat: SavedSeat;
  readonly onOpen: () => void;
  readonly onTypeAgain: () => void;
}

/** Says so before the learner looks for files that are not there. */
export function NewSeat({ seat: { session }, onOpen, onTypeAgain }: NewSeatProps) {
  return (
    <div className="stack">
      <Notice tone="warn">
        The return code <code>{session.odehash}</code> is not known in this workshop, so you have a new, empty
        seat: seat {session.seat}. If you had a seat here, compare the code with what you wrote down. A
        workshop that was stopped and started again has empty seats for everybody.
      </Notice>
      <button type="button" className="button primary large" onClick={onOpen}>
        Go to seat {session.seat} <ArrowRight size={18} aria-hidden />
      </button>
      <button type="button" className="button quiet" onClick={onTypeAgain}>
        Type the return code again
      </button>
    </div>
  );
}
