import type { JoinInfo } from '@clarateach/contract/join';
import { Notice } from '../ui/notice.tsx';
import { Spinner } from '../ui/spinner.tsx';

/** What stands between a learner and a seat right now, and what to do about it. */
export function WorkshopState({ info }: { readonly info: JoinInfo }) {
  switch (info.state) {
    case 'open':
      return (
        <p className="join-state">
          <span className="badge tone-good">Open</span>
          <span className="soft">
            {info.freeSeats} of {info.seats} seats free
          </span>
        </p>
      );
    case 'starting':
      return (
        <p className="join-state" role="status">
          <span className="badge tone-busy">
            <Spinner size={14} /> Starting
          </span>
          <span className="soft">The seats are being made ready. You can come in in a moment.</span>
        </p>
      );
    case 'full':
      return (
        <Notice tone="warn">
          <strong>This workshop is full.</strong>{' '}
          {info.seats === 1 ? 'Its one seat is taken.' : `All ${info.seats} seats are taken.`} Tell your
          instructor, who can make room. If you had a seat already, your return code brings you back to it.
        </Notice>
      );
    case 'stopped':
      return (
        <Notice tone="busy">
          <strong>The workshop is not running.</strong> Your instructor has not started it, or has ended it.
          This page goes on by itself when it starts.
        </Notice>
      );
  }
}
