import { RotateCw } from 'lucide-react';
import type { ReactNode } from 'react';
import { Suspense, useEffect } from 'react';
import { ErrorBoundary, isUnreached } from '../ui/error-boundary.tsx';

/** How often a pane that did not come is asked for again. */
const AGAIN_MS = 5_000;

/** A pane that is fetched after the terminal; when it fails, the terminal goes on beside it. */
export function LatePane({ ready, children }: { readonly ready: boolean; readonly children: ReactNode }) {
  if (!ready) return <PaneSkeleton />;
  return (
    <ErrorBoundary
      fallback={(error, retry) => (isUnreached(error) ? <PaneAway onRetry={retry} /> : <PaneFailed />)}
    >
      <Suspense fallback={<PaneSkeleton />}>{children}</Suspense>
    </ErrorBoundary>
  );
}

function PaneSkeleton() {
  return (
    <div className="pane pane-skeleton" aria-hidden>
      {[62, 78, 50, 70, 44].map((width) => (
        <div key={width} className="skeleton" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

function PaneAway({ onRetry }: { readonly onRetry: () => void }) {
  useEffect(() => {
    const timer = setInterval(onRetry, AGAIN_MS);
    return () => clearInterval(timer);
  }, [onRetry]);
  return (
    <div className="pane">
      <div className="other-file" role="alert">
        <h2>This part did not come yet</h2>
        <p className="soft">
          The server cannot be reached. Your shell and what you typed are not affected; it is tried again by
          itself.
        </p>
        <button type="button" className="button" onClick={onRetry}>
          <RotateCw size={16} aria-hidden /> Try now
        </button>
      </div>
    </div>
  );
}

function PaneFailed() {
  return (
    <div className="pane">
      <div className="other-file" role="alert">
        <h2>This part could not be loaded</h2>
        <p className="soft">Your shell and your files are not affected. Reload the page to try again.</p>
        <button type="button" className="button" onClick={() => window.location.reload()}>
          <RotateCw size={16} aria-hidden /> Reload
        </button>
      </div>
    </div>
  );
}
