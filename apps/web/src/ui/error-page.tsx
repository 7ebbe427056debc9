import { useEffect } from 'react';
import { ApiError } from '../api/api-error.ts';
import { CopyButton } from './copy-button.tsx';
import { Logo } from './logo.tsx';

interface ErrorPageProps {
  readonly error: unknown;
  readonly onRetry?: () => void;
}

/** How often a server that was not reached is asked again. */
const AGAIN_MS = 5_000;

/** A whole page that failed: what happened, what to do, and the number under which the log has it. */
export function ErrorPage({ error, onRetry }: ErrorPageProps) {
  const api = error instanceof ApiError ? error : undefined;
  const unreached = api?.code === 'offline';
  const comesBack = unreached || [502, 503, 504].includes(api?.status ?? 0);
  useEffect(() => {
    if (!comesBack || !onRetry) return;
    const timer = setInterval(onRetry, AGAIN_MS);
    return () => clearInterval(timer);
  }, [comesBack, onRetry]);
  const title = unreached ? 'The server cannot be reached' : 'This page could not be shown';
  return (
    <main className="message-page">
      <div className="message-card card">
        <Logo size={40} />
        <h1>{title}</h1>
        <p className="soft" role="alert">
          {api?.message ??
            'Something in this page went wrong. Your work on the server is safe. Reload to go on.'}
          {comesBack && onRetry && ' It is tried again by itself, too.'}
        </p>
        <div className="row wrap">
          <button
            type="button"
            className="button primary"
            onClick={onRetry ?? (() => window.location.reload())}
          >
            Try again
          </button>
          <a className="button" href="/">
            Go to the start page
          </a>
        </div>
        {api?.requestId !== undefined && (
          <p className="request-id soft">
            If it stays, tell the operator this request number: <code>{api.requestId}</code>
            <CopyButton text={api.requestId} what="request number" />
          </p>
        )}
      </div>
    </main>
  );
}
