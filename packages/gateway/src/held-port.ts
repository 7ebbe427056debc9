import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ClientLimits, limitClients, SERVER_LIMITS } from './client-limits.ts';
import { listenAt } from './listening.ts';

export interface Handlers {
  readonly request: RequestListener;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

/** A port that is held from the first moment of a start, and answers that it starts until there is more to say. */
export interface HeldPort {
  readonly server: Server;
  readonly port: number;
  /** From now on these answer. */
  serve(handlers: Handlers): void;
}

/** Throws with one clear line when the port cannot be had. */
export async function holdPort(
  place: { readonly host: string; readonly port: number; readonly program: string },
  options: {
    readonly limits: ClientLimits;
    /** The protocols that a connection may be upgraded to. */
    readonly upgrades: readonly string[];
    /** What answers until {@link HeldPort.serve}. */
    readonly starting: Handlers;
  },
): Promise<HeldPort> {
  let handlers = options.starting;
  const server = createServer({
    ...SERVER_LIMITS,
    // Some clients offer HTTP/2 with every request; those are answered as they are.
    shouldUpgradeCallback: ({ headers }) => options.upgrades.includes(headers.upgrade?.toLowerCase() ?? ''),
  });
  limitClients(server, options.limits);
  server.on('request', (request, response) => handlers.request(request, response));
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    handlers.upgrade(request, socket, head);
  });
  return {
    server,
    port: await listenAt(server, place),
    serve(next) {
      handlers = next;
    },
  };
}
