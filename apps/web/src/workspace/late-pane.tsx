import { RotateCw } from 'lucide-react';
import type { ReactNode } from 'react';
import { Suspense } from 'react';
import { ErrorBoundary } from '../ui/error-boundary.tsx';

/** A pane that is fetched after the terminal; when it fails, the terminal goes on beside it. */
export function LatePane({ ready, children }: { readonly ready: boolean; readonly children: ReactNode }) {
  if (!ready) return <PaneSkeleton />;
  return (
    <ErrorBoundary fallback={<PaneFailed />}>
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
