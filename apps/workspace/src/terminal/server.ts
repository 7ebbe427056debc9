import { createServer, type Server } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { PublicError } from '@clarateach/contract/errors';
import { HEALTH_PATH } from '@clarateach/contract/seat-server';
import { CLOSE_GOING_AWAY, TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import { WebSocketServer } from 'ws';
import { refuseUpgrade, sendError, sendJson } from '../http.ts';
import { serveTerminal } from './connection.ts';
import { heartbeat } from './heartbeat.ts';
import { FLOW_LIMITS, type FlowLimits, Shell } from './shell.ts';
import type { Multiplexer } from './tmux.ts';

/** The largest message from a client: a paste travels as one. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

const LAST_KEYS_MS = 50;

export interface TerminalOptions {
  readonly multiplexer: Multiplexer;
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly limits?: FlowLimits;
  readonly pingEveryMs?: number;
  /** Whether the whole seat can be used. */
  readonly isReady: () => boolean;
}

export interface TerminalServer {
  readonly http: Server;
  /** Starts the shell, so that the first viewer finds its prompt there. */
  warm(): Promise<void>;
  /** Tells every viewer to come back later, and lets go of the session, which lives on. */
  close(): Promise<void>;
}

/** `/terminal` (WebSocket) and the health of the seat. */
export function createTerminalServer(options: TerminalOptions): TerminalServer {
  const limits = options.limits ?? FLOW_LIMITS;
  let starting: Promise<Shell> | undefined;
  let shell: Shell | undefined;
  const running = (after: number): Promise<Shell> => {
    if (shell?.takes(after)) return Promise.resolve(shell);
    starting ??= Shell.start({ ...options, limits })
      .then((started) => {
        shell = started;
        return started;
      })
      .finally(() => {
        starting = undefined;
      });
    return starting;
  };

  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: (offered) => (offered.has(TERMINAL_PROTOCOL) ? TERMINAL_PROTOCOL : false),
  });
  const endHeartbeat = heartbeat(webSockets.clients, options.pingEveryMs);

  const http = createServer((request, response) => {
    const path = request.url?.split('?', 1)[0];
    if (path === HEALTH_PATH && request.method === 'GET') {
      const ready = options.isReady();
      sendJson(response, ready ? 200 : 503, { status: ready ? 'ready' : 'starting' });
    } else sendError(response, new PublicError('not_found', 'There is nothing at this address.'));
  });
  http.on('upgrade', (request, socket, head) => {
    if (request.url?.split('?', 1)[0] !== '/terminal') {
      refuseUpgrade(socket, new PublicError('not_found', 'There is nothing at this address.'));
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      serveTerminal({
        socket: webSocket,
        transport: request.socket,
        windowBytes: limits.windowBytes,
        shell: running,
      });
    });
  });

  return {
    http,
    warm: async () => {
      await running(0);
    },
    close: async () => {
      endHeartbeat();
      // Nobody comes in any more: a viewer who comes back at once would type into a shell that is let go.
      const closed = new Promise<void>((done) => {
        http.close(() => done());
      });
      http.closeIdleConnections();
      for (const each of webSockets.clients) each.close(CLOSE_GOING_AWAY, 'The seat restarts.');
      // Keys that were typed last are still on their way through the PTY, which forgets them when it closes.
      await pause(LAST_KEYS_MS);
      shell?.close();
      const end = setTimeout(() => {
        for (const each of webSockets.clients) each.terminate();
      }, 1_000);
      await closed;
      clearTimeout(end);
    },
  };
}
