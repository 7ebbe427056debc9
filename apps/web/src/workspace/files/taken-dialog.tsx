import type { ReactNode } from 'react';
import { useCallback, useRef, useState } from 'react';
import { Dialog } from '../../ui/dialog.tsx';
import type { TakenChoice } from './upload.ts';

interface TakenDialogProps {
  /** Paths of the uploads, below the directory they go to. */
  readonly taken: readonly string[];
  readonly onChoice: (choice: TakenChoice) => void;
}

/** The dialog while there is something to ask, and what asks it. */
export function useTakenQuestion(): [ReactNode, (taken: readonly string[]) => Promise<TakenChoice>] {
  const [asked, setAsked] = useState<TakenDialogProps>();
  const last = useRef<Promise<unknown>>(Promise.resolve());
  const ask = useCallback((taken: readonly string[]) => {
    const answer = () =>
      new Promise<TakenChoice>((resolve) => {
        const onChoice = (choice: TakenChoice) => {
          setAsked(undefined);
          resolve(choice);
        };
        setAsked({ taken, onChoice });
      });
    // Of two uploads at once, the second is asked about when the first has its answer.
    const asking = last.current.then(answer);
    last.current = asking;
    return asking;
  }, []);
  return [asked && <TakenDialog {...asked} />, ask];
}

/** Uploads whose names are taken. What has these names is untouched yet. */
function TakenDialog({ taken, onChoice }: TakenDialogProps) {
  const one = taken.length === 1;
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onChoice('cancel')}
      title={one ? `“${taken[0]}” exists already` : `${taken.length} files exist already`}
      width="wide"
      description={
        one
          ? 'It is still as it was. Choose what stays: a file that is replaced cannot be brought back.'
          : 'They are still as they were. Choose what stays: files that are replaced cannot be brought back.'
      }
    >
      <div className="dialog-body">
        {!one && (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reached by keyboard
          <ul className="taken-names" aria-label="Files that exist" tabIndex={0}>
            {taken.map((path) => (
              <li key={path}>{path}</li>
            ))}
          </ul>
        )}
      </div>
      <div className="dialog-foot">
        <button type="button" className="button" onClick={() => onChoice('cancel')}>
          Cancel
        </button>
        <button type="button" className="button" onClick={() => onChoice('skip')}>
          {one ? 'Skip it' : 'Skip these'}
        </button>
        <button type="button" className="button" onClick={() => onChoice('both')}>
          Keep both
        </button>
        <button type="button" className="button danger" onClick={() => onChoice('replace')}>
          {one ? 'Replace' : 'Replace all'}
        </button>
      </div>
    </Dialog>
  );
}
