import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { PublicError } from '@clarateach/contract/errors';
import { type ClientLimits, limitClients, SERVER_LIMITS } from '@clarateach/gateway/client-limits';
import { listenAt } from '@clarateach/gateway/listening';
import { errorAnswer } from './http/errors.ts';

const SWEEP_MS = 20;

export interface Handlers {
  readonly request: RequestListener;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** A port that is held from the first moment of a start, and answers 503 until there is more to say. */
export interface Listener {
  readonly server: Server;
  readonly port: number;
  /** From now on these answer. */
  serve(handlers: Handlers): void;
  /** Takes no new connections, and ends those that are idle. */
  stopAccepting(): void;
  /** Resolves when every connection has ended; breaks those that last longer than `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Throws with one clear line when the port cannot be had. */
export async function listen(
  { host, port }: { readonly host: string; readonly port: number },
  limits: ClientLimits = { connectionsPerAddress: 0 },
): Promise<Listener> {
  let handlers: Handlers = {
    request: (_request, response) => {
      const { status, headers, body } = errorAnswer(
        new PublicError('unavailable', 'The server is starting. Try again in a second.', {
          retryAfterSeconds: 1,
        }),
        randomUUID(),
      );
      response.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
      response.end(JSON.stringify(body));
    },
    upgrade: (_request, socket) => {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n');
    },
  };
  const server = createServer({
    ...SERVER_LIMITS,
    // Some clients offer HTTP/2 with every request; those are answered as they are.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
  });
  limitClients(server, limits);
  server.on('request', (request, response) => handlers.request(request, response));
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    handlers.upgrade(request, socket, head);
  });
  const listening = await listenAt(server, { host, port, program: 'The server' });
  let closed: Promise<unknown> | undefined;
  const stopAccepting = () => {
    closed ??= once(server, 'close');
    server.close();
    server.closeIdleConnections();
  };
  return {
    server,
    port: listening,
    serve(next) {
      handlers = next;
    },
    stopAccepting,
    async close(graceMs) {
      stopAccepting();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      // Those that were busy become idle one by one, and would wait for a next request.
      const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
      await closed;
      clearTimeout(timer);
      clearInterval(sweep);
    },
  };
}
