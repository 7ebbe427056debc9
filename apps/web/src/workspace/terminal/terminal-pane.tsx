import { Maximize2, Minimize2, SquareTerminal, Volume2 } from 'lucide-react';
import { useEffect, useId, useRef } from 'react';
import { IconButton } from '../../ui/icon-button.tsx';
import type { SeatLoss } from '../seat-pass.ts';
import { ConnectionStrip } from './connection-strip.tsx';
import type { ConnectionState } from './terminal-connection.ts';
import { TouchKeys } from './touch-keys.tsx';
import { useTerminal } from './use-terminal.ts';

interface TerminalPaneProps {
  readonly screenReader: boolean;
  readonly onScreenReader: (on: boolean) => void;
  readonly maximized: boolean;
  readonly onMaximize: (on: boolean) => void;
  readonly onState: (state: ConnectionState, heldBytes: number) => void;
  readonly onLost: (loss: SeatLoss) => void;
}

export function TerminalPane(props: TerminalPaneProps) {
  const { screenReader, onScreenReader, maximized, onMaximize, onState, onLost } = props;
  const element = useRef<HTMLDivElement>(null);
  const wayOut = useId();
  const terminal = useTerminal({ element, screenReader, describedBy: wayOut, onLost });
  const { state, heldBytes } = terminal;

  useEffect(() => onState(state, heldBytes), [state, heldBytes, onState]);

  return (
    <section className="pane terminal-pane" aria-label="Terminal" data-region="terminal">
      <header className="pane-head">
        <h2>
          <SquareTerminal size={15} aria-hidden /> Terminal
        </h2>
        <span className="way-out soft" id={wayOut}>
          <kbd>F6</kbd> leaves<span className="visually-hidden"> the terminal</span>
        </span>
        <div className="pane-tools">
          <IconButton
            size="small"
            icon={Volume2}
            label="Screen reader mode of the terminal"
            aria-pressed={screenReader}
            onClick={() => onScreenReader(!screenReader)}
          />
          <IconButton
            size="small"
            icon={maximized ? Minimize2 : Maximize2}
            label={maximized ? 'Restore the terminal' : 'Maximize the terminal'}
            aria-pressed={maximized}
            onClick={() => onMaximize(!maximized)}
          />
        </div>
      </header>
      <ConnectionStrip state={state} heldBytes={heldBytes} onRetry={terminal.retryNow} />
      <div ref={element} id="terminal" className="terminal-host" />
      <TouchKeys onKey={terminal.type} onDone={terminal.focus} />
    </section>
  );
}
