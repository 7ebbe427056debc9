import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DirectEndpoint,
  FILES_PORT,
  type SeatEndpoint,
  TERMINAL_PORT,
} from '@clarateach/contract/seat-server';
import { dialPort } from '@clarateach/gateway/dial';

/** A seat behind an agent, as one of this machine; for programs that only know those. */
export interface SeatRelay {
  readonly endpoint: DirectEndpoint;
  close(): Promise<void>;
}

/** How long a seat may take to accept a connection. */
const REACH_MS = 60_000;
const RETRY_MS = 100;

/** Sockets of this machine that lead to a seat's ports the way the server's gateway goes. */
export async function openSeatRelay(endpoint: SeatEndpoint, agentToken: string): Promise<SeatRelay> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-reach-'));
  const sockets = new Set<Socket>();
  const listenAt = async (port: number): Promise<Server> => {
    const dial = dialPort(endpoint, port, { connectTimeoutMs: 5_000, agentToken: () => agentToken });
    const server = createServer((client) => {
      client.pause();
      client.on('error', () => client.destroy());
      sockets.add(client);
      const deadline = performance.now() + REACH_MS;
      const end = (socket: Socket, other: Socket) => {
        sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      };
      // A VM in software may be too busy to take a connection at once; learners' browsers try again, too.
      const connect = () => {
        dial((fault, socket, early) => {
          if (fault) {
            if (client.destroyed || performance.now() > deadline) return client.destroy();
            return setTimeout(connect, RETRY_MS);
          }
          end(socket, client);
          end(client, socket);
          if (early.length > 0) client.write(early);
          client.pipe(socket).pipe(client);
        });
      };
      connect();
    }).listen(join(directory, `${port}.sock`));
    await once(server, 'listening');
    return server;
  };
  const servers = await Promise.all([TERMINAL_PORT, FILES_PORT].map(listenAt));
  return {
    endpoint: { kind: 'unix', directory },
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
