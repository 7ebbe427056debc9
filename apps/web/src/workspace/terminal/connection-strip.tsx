import { CloudOff, CornerDownLeft, OctagonAlert, RotateCw } from 'lucide-react';
import { Spinner } from '../../ui/spinner.tsx';
import { useNow } from '../../ui/time.ts';
import type { ConnectionState, WaitCause } from './terminal-connection.ts';

const WAITS: Record<WaitCause, string> = {
  network: 'The connection is lost. Your shell goes on running.',
  seat: 'Your seat is restarting. Your files are safe.',
  blocked:
    'Your seat answers, but the terminal does not get through. A proxy, a VPN or a browser extension may block WebSockets: try without it, or on another network.',
};

interface ConnectionStripProps {
  readonly state: ConnectionState;
  readonly heldBytes: number;
  readonly onRetry: () => void;
}

/** What is the matter with the terminal, above it and never over it: what was on the screen stays readable. */
export function ConnectionStrip({ state, heldBytes, onRetry }: ConnectionStripProps) {
  switch (state.kind) {
    case 'ready':
    case 'closed':
      return null;
    case 'connecting':
      // The first attempt is over before a strip could be read.
      if (state.attempt === 0 && heldBytes === 0) return null;
      return (
        <div className="strip">
          <Spinner size={15} />
          <span>{state.attempt === 0 ? 'Connecting…' : 'Reconnecting…'}</span>
          <Kept bytes={heldBytes} />
        </div>
      );
    case 'waiting':
      return (
        <div className={`strip ${state.cause === 'seat' ? 'tone-busy' : 'tone-warn'}`}>
          {state.cause === 'seat' ? (
            <RotateCw className="spin" size={15} aria-hidden />
          ) : (
            <CloudOff size={15} aria-hidden />
          )}
          <span>
            {WAITS[state.cause]} <Countdown at={state.at} />
          </span>
          <Kept bytes={heldBytes} seat={state.cause === 'seat'} />
          <button type="button" className="button small" onClick={onRetry}>
            Try now
          </button>
        </div>
      );
    case 'exited':
      return (
        <div className="strip">
          <CornerDownLeft size={15} aria-hidden />
          <span>
            The shell ended{state.code === 0 ? '' : ` with code ${state.code}`}. Press <kbd>Enter</kbd> for a
            new shell.
          </span>
          <button type="button" className="button small" onClick={onRetry}>
            New shell
          </button>
        </div>
      );
    case 'refused':
      return (
        <div className="strip tone-bad">
          <OctagonAlert size={15} aria-hidden />
          <span>{state.message}</span>
          <button type="button" className="button small" onClick={onRetry}>
            Try again
          </button>
        </div>
      );
  }
}

function Countdown({ at }: { readonly at: number }) {
  const seconds = Math.max(0, Math.ceil((at - useNow(250)) / 1000));
  return <span>{seconds === 0 ? 'Trying again…' : `Trying again in ${seconds} s.`}</span>;
}

function Kept({ bytes, seat = false }: { readonly bytes: number; readonly seat?: boolean }) {
  if (bytes === 0) return null;
  // A seat that restarts may come back with another shell, which gets nothing that was meant for the old one.
  return seat ? (
    <span className="badge tone-warn">Sent if your shell comes back</span>
  ) : (
    <span className="badge tone-good">What you type is kept and sent</span>
  );
}
