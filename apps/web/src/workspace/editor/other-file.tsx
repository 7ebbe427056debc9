import type { LucideIcon } from 'lucide-react';
import { Download, RotateCw } from 'lucide-react';
import type { ReactNode } from 'react';
import { Spinner } from '../../ui/spinner.tsx';
import { useDownload } from '../files/use-download.ts';

interface OtherFileProps {
  readonly icon: LucideIcon;
  readonly title: string;
  readonly path: string;
  readonly children: ReactNode;
  readonly onRetry?: () => void;
}

/** A file that the editor does not show, and what can be done with it instead. */
export function OtherFile({ icon: Icon, title, path, children, onRetry }: OtherFileProps) {
  const { running, start } = useDownload();
  return (
    <div className="other-file">
      <Icon size={34} strokeWidth={1.5} aria-hidden />
      <h2>{title}</h2>
      <p className="soft">{children}</p>
      {onRetry ? (
        <button type="button" className="button" onClick={onRetry}>
          <RotateCw size={16} aria-hidden /> Try again
        </button>
      ) : (
        <button
          type="button"
          className="button"
          aria-disabled={running !== undefined}
          onClick={() => start(path, 'file')}
        >
          {running ? <Spinner size={16} /> : <Download size={16} aria-hidden />}
          {running ? 'Downloading…' : 'Download'}
        </button>
      )}
    </div>
  );
}
