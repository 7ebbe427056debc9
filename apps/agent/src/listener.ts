import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AGENT_API_VERSION, AGENT_VERSION_HEADER } from '@clarateach/contract/agent-api';
import { type ClientLimits, limitClients, SERVER_LIMITS } from '@clarateach/gateway/client-limits';
import { listenAt } from '@clarateach/gateway/listening';
import { AgentError } from './errors.ts';
import { errorOf, send } from './http.ts';

interface Handlers {
  readonly request: RequestListener;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** A port that is held from the first moment of a start, and answers 503 until there is more to say. */
export interface Listener {
  readonly server: Server;
  readonly port: number;
  /** From now on these answer. */
  serve(handlers: Handlers): void;
}

/** Throws with one clear line when the port cannot be had. */
export async function listen(
  place: { readonly host: string; readonly port: number } & ClientLimits,
): Promise<Listener> {
  let handlers: Handlers = {
    request(request, response) {
      const starting = new AgentError('unreachable', 'The agent is starting. Try again in a second.');
      request.resume();
      response.setHeader('retry-after', 1);
      send(response, { ...errorOf(starting, randomUUID()), status: 503 });
    },
    upgrade(_request, socket) {
      socket.end(
        `HTTP/1.1 503 Service Unavailable\r\n${AGENT_VERSION_HEADER}: ${AGENT_API_VERSION}\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
      );
    },
  };
  const server = createServer({
    ...SERVER_LIMITS,
    shouldUpgradeCallback: ({ headers }) => /^(websocket|tcp)$/i.test(headers.upgrade ?? ''),
  });
  limitClients(server, place);
  server.on('request', (request, response) => handlers.request(request, response));
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    handlers.upgrade(request, socket, head);
  });
  return {
    server,
    port: await listenAt(server, { ...place, program: 'The agent' }),
    serve(next) {
      handlers = next;
    },
  };
}
