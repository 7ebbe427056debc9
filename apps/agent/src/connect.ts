import { randomUUID } from 'node:crypto';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { AGENT_API_VERSION, AGENT_VERSION_HEADER } from '@clarateach/contract/agent-api';
import { PLATFORM_PORTS } from '@clarateach/contract/seat-server';
import { dialPort } from '@clarateach/gateway/dial';
import { checkVersion, seatOf } from './api.ts';
import { callerOf, mayTouch } from './callers.ts';
import type { Guard } from './credentials.ts';
import { AgentError, asAgentError } from './errors.ts';
import { errorOf } from './http.ts';
import type { AgentSeats } from './seats.ts';

const CONNECT_PATH = /^\/vms\/([^/]+)\/([^/]+)\/connect\/(\d{1,5})$/;
const CONNECT_TIMEOUT_MS = 5_000;

/** Byte streams from the server to the ports of seats; the server has checked who uses them. */
export interface Connections {
  readonly count: number;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): void;
}

export function createConnections({
  seats,
  guard,
}: {
  readonly seats: Pick<AgentSeats, 'routes' | 'ownerOf'>;
  readonly guard: Guard;
}): Connections {
  const open = new Set<Duplex>();

  const join = (client: Duplex, head: Buffer, request: IncomingMessage): void => {
    guard(request);
    checkVersion(request);
    const [, workshop = '', seat, port] = CONNECT_PATH.exec(request.url ?? '') ?? [];
    const id = seatOf(workshop, seat);
    if (request.headers.upgrade?.toLowerCase() !== 'tcp' || !PLATFORM_PORTS.includes(Number(port))) {
      throw new AgentError('not_found', 'There is nothing at this address.');
    }
    // To a caller who has nothing to do with it, a seat is not there.
    const isForeign = !mayTouch(callerOf(request), seats.ownerOf(id));
    const endpoint = isForeign ? undefined : seats.routes.find(id)?.endpoint;
    if (!endpoint) throw new AgentError('unreachable', 'The seat is not running.');
    const upstream = dialPort(endpoint, Number(port), { connectTimeoutMs: CONNECT_TIMEOUT_MS })((fault) => {
      if (fault) {
        refuse(client, new AgentError('unreachable', 'The seat does not answer.', { cause: fault }));
        return;
      }
      client.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${AGENT_VERSION_HEADER}: ${AGENT_API_VERSION}\r\n\r\n`,
      );
      if (head.length > 0) upstream.write(head);
      client.pipe(upstream);
      upstream.pipe(client);
    });
    open.add(client);
    for (const side of [client, upstream]) {
      side.on('error', () => side.destroy());
      side.on('close', () => {
        open.delete(client);
        client.destroy();
        upstream.destroy();
      });
    }
  };

  return {
    get count() {
      return open.size;
    },
    upgrade(request, socket, head) {
      try {
        join(socket, head, request);
      } catch (thrown) {
        refuse(socket, thrown);
      }
    },
    close() {
      for (const socket of open) socket.destroy();
    },
  };
}

export function refuse(socket: Duplex, thrown: unknown): void {
  const { status, body } = errorOf(asAgentError(thrown), randomUUID());
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${AGENT_VERSION_HEADER}: ${AGENT_API_VERSION}\r\nConnection: close\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}
