import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { PublicError } from '@clarateach/contract/errors';
import type { ClientLimits } from '@clarateach/gateway/client-limits';
import { type HeldPort, holdPort } from '@clarateach/gateway/held-port';
import { errorAnswer } from './http/errors.ts';

const SWEEP_MS = 20;

export interface Listener extends HeldPort {
  /** Takes no new connections, and ends those that are idle. */
  stopAccepting(): void;
  /** Resolves when every connection has ended; breaks those that last longer than `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/** Answers 503 until there is more to say. Throws with one clear line when the port cannot be had. */
export async function listen(
  { host, port }: { readonly host: string; readonly port: number },
  limits: ClientLimits = { connectionsPerAddress: 0 },
): Promise<Listener> {
  const held = await holdPort(
    { host, port, program: 'The server' },
    {
      limits,
      upgrades: ['websocket'],
      starting: {
        request(_request, response) {
          const { status, headers, body } = errorAnswer(
            new PublicError('unavailable', 'The server is starting. Try again in a second.', {
              retryAfterSeconds: 1,
            }),
            randomUUID(),
          );
          response.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
          response.end(JSON.stringify(body));
        },
        upgrade(_request, socket) {
          socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n');
        },
      },
    },
  );
  const { server } = held;
  let closed: Promise<unknown> | undefined;
  const stopAccepting = () => {
    closed ??= once(server, 'close');
    server.close();
    server.closeIdleConnections();
  };
  return {
    ...held,
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
