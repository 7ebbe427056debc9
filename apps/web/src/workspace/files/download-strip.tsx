import { X } from 'lucide-react';
import { IconButton } from '../../ui/icon-button.tsx';
import { Spinner } from '../../ui/spinner.tsx';
import { sizeText } from './size-text.ts';
import type { Download } from './use-download.ts';

/** A download on its way, which the browser shows only when all of it is there. */
export function DownloadStrip({ running, cancel }: Pick<Download, 'running' | 'cancel'>) {
  return (
    <div role="status">
      {running && (
        <div className="strip download-strip">
          <Spinner size={15} />
          <span>
            <span className="visually-hidden">Downloading </span>
            <b>{running.name}</b>
            {/* Counting is nothing to be read aloud. */}
            <span aria-hidden className="soft">
              {running.bytes === 0 ? 'Downloading…' : `${sizeText(running.bytes)} so far`}
            </span>
          </span>
          <IconButton size="small" icon={X} label="Cancel the download" onClick={cancel} />
        </div>
      )}
    </div>
  );
}
