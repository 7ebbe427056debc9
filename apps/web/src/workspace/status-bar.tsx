import { CircleAlert, CircleCheck, CloudOff, KeyRound } from 'lucide-react';
import { Suspense } from 'react';
import { ErrorBoundary } from '../ui/error-boundary.tsx';
import { lazyComponent } from '../ui/lazy-component.ts';
import { Spinner } from '../ui/spinner.tsx';
import { useWorkspace } from './context.ts';
import { stateText } from './terminal/state-text.ts';
import type { ConnectionState } from './terminal/terminal-connection.ts';

const TimeLeft = lazyComponent(async () => (await import('./workshop-end.tsx')).TimeLeft);
const ReturnCode = lazyComponent(async () => (await import('./return-code.tsx')).ReturnCode);

interface StatusBarProps {
  readonly connection: ConnectionState;
  readonly late: boolean;
}

export function StatusBar({ connection, late }: StatusBarProps) {
  const { session } = useWorkspace();
  const code = (
    <span className="status-item">
      <KeyRound size={13} aria-hidden /> <code>{session.odehash}</code>
    </span>
  );
  return (
    <footer className="status-bar" data-region="status">
      <span className="seat-badge">Seat {session.seat}</span>
      <span className={`status-item state-${connection.kind}`}>
        <StateIcon state={connection} />
        {stateText(connection)}
      </span>
      <span className="status-space" />
      {late && (
        <ErrorBoundary fallback={() => null}>
          <Suspense>
            <TimeLeft />
          </Suspense>
        </ErrorBoundary>
      )}
      <span className="status-item workshop-name" title={session.workshop.name}>
        {session.workshop.name}
      </span>
      <span className="status-item learner-name">{session.name}</span>
      {late ? (
        <ErrorBoundary fallback={() => code}>
          <Suspense fallback={code}>
            <ReturnCode />
          </Suspense>
        </ErrorBoundary>
      ) : (
        code
      )}
    </footer>
  );
}

function StateIcon({ state }: { readonly state: ConnectionState }) {
  switch (state.kind) {
    case 'ready':
      return <CircleCheck size={13} aria-hidden />;
    case 'connecting':
      return <Spinner size={13} />;
    case 'waiting':
      return <CloudOff size={13} aria-hidden />;
    default:
      return <CircleAlert size={13} aria-hidden />;
  }
}
