import type { RefObject } from 'react';
import { useEffect, useRef, useState } from 'react';
import { useTheme } from '../../ui/theme.ts';
import { toast } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import { socketUrl } from '../seat-address.ts';
import type { SeatLoss } from '../seat-pass.ts';
import { SeatLostError } from '../seat-pass.ts';
import { seatAccess } from '../use-seat.ts';
import { diagnose, isReachable } from './diagnose.ts';
import type { Screen } from './screen.ts';
import { openScreen } from './screen.ts';
import { watchSleep } from './sleep-watch.ts';
import type { ConnectionState, Socket } from './terminal-connection.ts';
import { TerminalConnection } from './terminal-connection.ts';
import { XTERM_THEMES } from './xterm-theme.ts';

export interface TerminalHandle {
  readonly state: ConnectionState;
  /** Bytes typed while there was no connection. */
  readonly heldBytes: number;
  readonly retryNow: () => void;
  readonly focus: () => void;
  readonly type: (text: string) => void;
}

interface TerminalParts {
  readonly element: RefObject<HTMLElement | null>;
  readonly screenReader: boolean;
  /** Id of what tells how the keyboard gets out. */
  readonly describedBy: string;
  readonly onLost: (loss: SeatLoss) => void;
}

/** A terminal in `element`, connected to the seat for as long as the component lives. */
export function useTerminal({ element, screenReader, describedBy, onLost }: TerminalParts): TerminalHandle {
  const { pass } = useWorkspace();
  const [state, setState] = useState<ConnectionState>({ kind: 'connecting', attempt: 0 });
  const [heldBytes, setHeldBytes] = useState(0);
  const screenRef = useRef<Screen>(undefined);
  const connectionRef = useRef<TerminalConnection>(undefined);
  const theme = useTheme();
  const first = useRef({ theme, screenReader });

  useEffect(() => {
    const host = element.current;
    if (!host) return;
    let disposed = false;
    let enriched = false;
    const screen = openScreen(host, {
      ...first.current,
      onInput: (input) => {
        if (connection.state.kind === 'exited') {
          if (input.includes(0x0d)) connection.connect();
          return;
        }
        if (!connection.send(input)) {
          toast('Too much was typed while the terminal was away: the last input is not kept.', 'bad');
        }
      },
      onResize: (cols, rows) => connection.resize(cols, rows),
    });
    const connection = new TerminalConnection({
      credentials: async () => {
        try {
          const { base, token } = await seatAccess(pass);
          return { url: socketUrl(base, '/terminal'), token };
        } catch (error) {
          if (error instanceof SeatLostError) onLost(error.loss);
          throw error;
        }
      },
      openSocket: (url, protocols) => new WebSocket(url, protocols) as Socket,
      diagnose: (reason) => diagnose(pass, reason, onLost),
      isReachable: () => isReachable(pass),
      write: (output, parsed) => screen.terminal.write(output, parsed),
      clear: () => screen.terminal.reset(),
      size: () => ({ cols: screen.terminal.cols, rows: screen.terminal.rows }),
      onState: (next) => {
        setState(next);
        if (next.kind !== 'ready' || enriched) return;
        enriched = true;
        // After the first prompt is drawn: the terminal works before it is rich.
        setTimeout(async () => {
          const { enrich } = await import('./enrich.ts');
          if (!disposed) enrich(screen);
        }, 300);
      },
      onHeldInput: setHeldBytes,
      onInputDropped: () =>
        toast('The seat has a new shell. What you typed for the old one was not sent to it.', 'bad'),
      now: Date.now,
      random: Math.random,
      setTimer: (callback, ms) => setTimeout(callback, ms),
      clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
    });
    screen.terminal.textarea?.setAttribute('aria-describedby', describedBy);
    screenRef.current = screen;
    connectionRef.current = connection;
    connection.connect();
    screen.terminal.focus();

    let frame = 0;
    const resized = new ResizeObserver(() => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => host.offsetWidth > 0 && screen.fit());
    });
    resized.observe(host);

    const check = () => connection.checkConnection();
    const doubt = () => void connection.doubt();
    window.addEventListener('online', check);
    window.addEventListener('offline', doubt);
    // After a sleep the connection is likely dead without knowing.
    const endWatch = watchSleep({ document, now: Date.now, onSlept: check });

    return () => {
      disposed = true;
      window.removeEventListener('online', check);
      window.removeEventListener('offline', doubt);
      endWatch();
      cancelAnimationFrame(frame);
      resized.disconnect();
      connection.close();
      screen.dispose();
    };
  }, [element, pass, describedBy, onLost]);

  useEffect(() => {
    if (screenRef.current) screenRef.current.terminal.options.theme = XTERM_THEMES[theme];
  }, [theme]);
  useEffect(() => {
    if (screenRef.current) screenRef.current.terminal.options.screenReaderMode = screenReader;
  }, [screenReader]);

  return {
    state,
    heldBytes,
    retryNow: () => connectionRef.current?.connect(),
    focus: () => screenRef.current?.terminal.focus(),
    type: (text) => screenRef.current?.terminal.input(text),
  };
}
