import { randomUUID } from 'node:crypto';
import { AGENT_API_VERSION, AGENT_VERSION_HEADER } from '@clarateach/contract/agent-api';
import type { ClientLimits } from '@clarateach/gateway/client-limits';
import { type HeldPort, holdPort } from '@clarateach/gateway/held-port';
import { AgentError } from './errors.ts';
import { errorOf, send } from './http.ts';

/** Answers 503 until there is more to say. Throws with one clear line when the port cannot be had. */
export function listen(
  place: { readonly host: string; readonly port: number } & ClientLimits,
): Promise<HeldPort> {
  return holdPort(
    { ...place, program: 'The agent' },
    {
      limits: place,
      upgrades: ['websocket', 'tcp'],
      starting: {
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
      },
    },
  );
}
