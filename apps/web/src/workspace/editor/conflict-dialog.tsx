import { Suspense, useState } from 'react';
import { Dialog } from '../../ui/dialog.tsx';
import { lazyComponent } from '../../ui/lazy-component.ts';
import { Waiting } from '../../ui/spinner.tsx';
import { toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import { nameOf } from '../files/file-path.ts';
import type { TextFile } from './open-file.ts';

const Compare = lazyComponent(async () => (await import('./text-editor.tsx')).Compare);

/** A save that would have overwritten somebody else's change. Nothing has happened yet. */
export function ConflictDialog({ file }: { readonly file: TextFile }) {
  const { openFiles } = useWorkspace();
  const [theirs, setTheirs] = useState<string>();
  const { path, text } = file;
  const attempt = (work: () => Promise<void>) => () => void work().catch(toastError);
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && openFiles.dismissConflict(path)}
      title={`“${nameOf(path)}” was changed in the seat`}
      width={theirs === undefined ? 'wide' : 'full'}
      description="Since you opened it, a program or another window has saved this file. Nothing was overwritten: choose what stays."
    >
      <div className="dialog-body">
        {theirs !== undefined && (
          <>
            <div className="compare-heads soft small-text">
              <span>In the seat</span>
              <span>Yours</span>
            </div>
            <Suspense fallback={<Waiting label="Comparing…" />}>
              <Compare path={path} theirs={theirs} mine={text} />
            </Suspense>
          </>
        )}
      </div>
      <div className="dialog-foot">
        {theirs === undefined && (
          <button
            type="button"
            className="button"
            onClick={attempt(async () => setTheirs(await openFiles.diskText(path)))}
          >
            Compare
          </button>
        )}
        <button type="button" className="button" onClick={attempt(() => openFiles.reload(path))}>
          Reload, drop mine
        </button>
        <button type="button" className="button danger" onClick={attempt(() => openFiles.overwrite(path))}>
          Overwrite with mine
        </button>
      </div>
    </Dialog>
  );
}
