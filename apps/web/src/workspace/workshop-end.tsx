import { Clock, Download, TriangleAlert, X } from 'lucide-react';
import { useState } from 'react';
import { durationText } from '../ui/duration.ts';
import { IconButton } from '../ui/icon-button.tsx';
import { clockTime, useNow } from '../ui/time.ts';
import { useWorkspace } from './context.ts';
import { endMark } from './end-mark.ts';
import { useDownload } from './files/use-download.ts';

const LOOK_MS = 1_000;
const THEN = 'Then your seat and its files are gone: download what you want to keep.';

/** How long the workshop lasts, in the status bar; nothing where no end is set. */
export function TimeLeft() {
  const { session, pass } = useWorkspace();
  useNow(LOOK_MS);
  const leftMs = pass.endsInMs();
  if (session.endsAt === undefined || leftMs === undefined) return null;
  return (
    <span
      className={`status-item ${endMark(leftMs) === undefined ? '' : 'state-waiting'}`}
      title={`The workshop ends at ${clockTime(session.endsAt)}`}
    >
      <Clock size={13} aria-hidden /> {durationText(leftMs)} left
    </span>
  );
}

/** Says in time that the workshop ends, and what to do before it does. */
export function EndNotice() {
  const { session, pass } = useWorkspace();
  const { running, start } = useDownload();
  const [dismissed, setDismissed] = useState('');
  useNow(LOOK_MS);
  const leftMs = pass.endsInMs();
  const mark = leftMs === undefined ? undefined : endMark(leftMs);
  // An end that was moved is told of anew.
  const told = `${mark} ${session.endsAt}`;
  return (
    <>
      <p className="visually-hidden" role="status">
        {mark !== undefined && `The workshop ends in less than ${mark} minutes. ${THEN}`}
      </p>
      {leftMs !== undefined && mark !== undefined && dismissed !== told && (
        <section className="strip tone-warn end-notice" aria-label="End of the workshop" data-region="end">
          <TriangleAlert size={16} aria-hidden />
          <span>
            <strong>
              {leftMs > 0 ? `The workshop ends in ${durationText(leftMs)}.` : 'The workshop ends now.'}
            </strong>{' '}
            {THEN}
          </span>
          <button
            type="button"
            className="button small primary"
            aria-disabled={running !== undefined}
            onClick={() => start('', 'directory')}
          >
            <Download size={15} aria-hidden /> {running ? 'Downloading…' : 'Download your files'}
          </button>
          <IconButton size="small" icon={X} label="Close this notice" onClick={() => setDismissed(told)} />
        </section>
      )}
    </>
  );
}
