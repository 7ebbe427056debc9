import { Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import type { SavedSeat } from '../join/saved-seats.ts';
import { ErrorBoundary } from '../ui/error-boundary.tsx';
import { lazyComponent } from '../ui/lazy-component.ts';
import { toastError } from '../ui/toast.ts';
import { ActivityBar } from './activity-bar.tsx';
import { WorkspaceContext } from './context.ts';
import { Drawer } from './drawer.tsx';
import { FixedPanes } from './fixed-panes.tsx';
import { LatePane } from './late-pane.tsx';
import { cycleRegion, focusRegion } from './regions.ts';
import type { SeatLoss } from './seat-pass.ts';
import { followSeenHeight } from './seen-height.ts';
import { makeHost, Slot } from './slot.tsx';
import { StatusBar } from './status-bar.tsx';
import { announcement } from './terminal/state-text.ts';
import type { ConnectionState } from './terminal/terminal-connection.ts';
import { TerminalPane } from './terminal/terminal-pane.tsx';
import { useMedia } from './use-media.ts';
import { useSeat } from './use-seat.ts';
import { useSetting } from './use-setting.ts';

// The terminal is what a learner waits for; everything else is fetched once it works.
const Explorer = lazyComponent(async () => (await import('./files/explorer.tsx')).Explorer);
const EditorArea = lazyComponent(async () => (await import('./editor/editor-area.tsx')).EditorArea);
const PreviewPane = lazyComponent(async () => (await import('./preview/preview-pane.tsx')).PreviewPane);
const ResizablePanes = lazyComponent(async () => (await import('./resizable-panes.tsx')).ResizablePanes);
const EndNotice = lazyComponent(async () => (await import('./workshop-end.tsx')).EndNotice);
const HelpDialog = lazyComponent(async () => (await import('./help-dialog.tsx')).HelpDialog);

/** The other panes do not wait longer than this for a terminal that does not come. */
const LATE_AFTER_MS = 2_500;

interface WorkspaceShellProps {
  readonly saved: SavedSeat;
  readonly onLost: (loss: SeatLoss) => void;
}

export function WorkspaceShell({ saved, onLost }: WorkspaceShellProps) {
  const workspace = useSeat(saved, onLost);
  const { session, changes, openFiles } = workspace;
  const [connection, setConnection] = useState<ConnectionState>({ kind: 'connecting', attempt: 0 });
  const [announced, setAnnounced] = useState('');
  const [late, setLate] = useState(false);
  const [filesShown, setFilesShown] = useSetting('files', true);
  const [drawerOpen, setDrawerOpen] = useState(false);
  const [previewShown, setPreviewShown] = useState(false);
  const [maximized, setMaximized] = useState(false);
  const [screenReader, setScreenReader] = useSetting('screen-reader', false);
  const [helpOpen, setHelpOpen] = useState(false);
  const compact = useMedia('(max-width: 860px)');
  const narrow = useMedia('(max-width: 1100px)');
  const [terminalHost] = useState(makeHost);
  const everReady = useRef(false);

  const onState = useCallback(
    (state: ConnectionState) => {
      setConnection(state);
      setAnnounced((before) => announcement(state, before));
      if (state.kind !== 'ready') return;
      // A terminal that returns after a gap is the best moment to look after the files again.
      if (everReady.current) changes.restart();
      everReady.current = true;
      setLate(true);
    },
    [changes],
  );

  useEffect(() => {
    const { visualViewport, document } = window;
    if (!visualViewport) return;
    return followSeenHeight(visualViewport, document.documentElement, () => window.scrollTo(0, 0));
  }, []);

  useEffect(() => {
    const timer = setTimeout(() => setLate(true), LATE_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    if (!late) return;
    changes.start();
    return () => changes.close();
  }, [late, changes]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'F6' && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        cycleRegion(event.shiftKey ? -1 : 1);
      } else if (event.key === '?' && isOutsideText(event.target)) {
        setHelpOpen(true);
      }
    };
    // Captured, so that neither terminal nor editor keeps the way out for itself.
    window.addEventListener('keydown', onKey, { capture: true });
    return () => window.removeEventListener('keydown', onKey, { capture: true });
  }, []);

  const toggleFiles = () => (compact ? setDrawerOpen(!drawerOpen) : setFilesShown(!filesShown));
  const openFile = useCallback(
    (path: string, size?: number) => {
      setMaximized(false);
      setDrawerOpen(false);
      void openFiles.open(path, size);
    },
    [openFiles],
  );

  const explorer = (
    <LatePane ready={late}>
      <Explorer onOpen={openFile} />
    </LatePane>
  );
  // Beside an editor on a narrow screen a preview would be a strip: it takes the editor's place.
  const previewReplaces = previewShown && narrow;
  const preview = (
    <LatePane ready={late}>
      <PreviewPane onClose={() => setPreviewShown(false)} />
    </LatePane>
  );

  const panes = {
    files: filesShown && !compact ? explorer : null,
    editor: maximized ? null : previewReplaces ? (
      preview
    ) : (
      <LatePane ready={late}>
        <EditorArea onPreview={() => setPreviewShown(true)} onHelp={() => setHelpOpen(true)} />
      </LatePane>
    ),
    terminal: <Slot host={terminalHost} />,
    preview: previewShown && !narrow ? preview : null,
  };

  return (
    <WorkspaceContext value={workspace}>
      <title>{`Seat ${session.seat} · ${session.workshop.name}`}</title>
      <div className="workspace">
        <button type="button" className="button skip-link" onClick={() => focusRegion('terminal')}>
          Skip to the terminal
        </button>
        <ActivityBar
          filesShown={compact ? drawerOpen : filesShown}
          onFiles={toggleFiles}
          previewShown={previewShown}
          onPreview={() => setPreviewShown(!previewShown)}
          onHelp={() => setHelpOpen(true)}
        />
        <main className="workspace-main" tabIndex={-1}>
          <h1 className="visually-hidden">
            Workspace of {session.name}, seat {session.seat}
          </h1>
          {late ? (
            <ErrorBoundary fallback={() => <FixedPanes {...panes} />}>
              <Suspense fallback={<FixedPanes {...panes} />}>
                <ResizablePanes {...panes} />
              </Suspense>
            </ErrorBoundary>
          ) : (
            <FixedPanes {...panes} />
          )}
          {createPortal(
            <TerminalPane
              screenReader={screenReader}
              onScreenReader={setScreenReader}
              maximized={maximized}
              onMaximize={setMaximized}
              onState={onState}
              onLost={onLost}
            />,
            terminalHost,
          )}
          {compact && (
            <Drawer open={drawerOpen} onClose={() => setDrawerOpen(false)}>
              {explorer}
            </Drawer>
          )}
        </main>
        {late && (
          <ErrorBoundary fallback={() => null}>
            <Suspense>
              <EndNotice />
            </Suspense>
          </ErrorBoundary>
        )}
        <StatusBar connection={connection} late={late} />
        <p className="visually-hidden" role="status" aria-live="polite">
          Terminal: {announced}
        </p>
        {helpOpen && (
          <ErrorBoundary
            fallback={() => null}
            onError={(error) => {
              toastError(error);
              setHelpOpen(false);
            }}
          >
            <Suspense>
              <HelpDialog
                onClose={() => setHelpOpen(false)}
                screenReader={screenReader}
                onScreenReader={setScreenReader}
              />
            </Suspense>
          </ErrorBoundary>
        )}
      </div>
    </WorkspaceContext>
  );
}

function isOutsideText(target: EventTarget | null): boolean {
  return !(
    target instanceof HTMLElement &&
    (target.isContentEditable || target.closest('input, textarea, select, [role="dialog"], .monaco-editor'))
  );
}
