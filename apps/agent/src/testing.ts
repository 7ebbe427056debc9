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
import type { ConformanceSubject } from '@clarateach/seats/conformance';
import type { SeatProvider } from '@clarateach/seats/provider';
import { remoteProvider } from '@clarateach/seats/providers/remote';
import { type AgentConfig, readAgentConfig } from './config.ts';
import { type AgentOverrides, createAgent, type RunningAgent } from './main.ts';

/** What the tests of agents share. */

/** How long a seat may take to accept a connection. */
const REACH_MS = 60_000;

export const TOKEN = 'a-token-of-the-tests';

export interface TestAgent extends RunningAgent {
  readonly config: AgentConfig;
  /** Calls the API with the token. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
}

/** An agent on a free port, in a directory that goes with it. */
export async function testAgent(
  provider: SeatProvider,
  options: { env?: Record<string, string>; overrides?: AgentOverrides } = {},
): Promise<TestAgent> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-agent-'));
  const config = readAgentConfig({ PORT: '0', AGENT_TOKEN: TOKEN, DATA_DIR: directory, ...options.env });
  let agent: RunningAgent;
  try {
    agent = await createAgent(config, { provider, log: () => {}, ...options.overrides });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  return {
    ...agent,
    config,
    call: (method, path, body, headers = {}) =>
      fetch(new URL(path, `http://127.0.0.1:${agent.port}`), {
        method,
        headers: {
          authorization: `Bearer ${TOKEN}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    async close() {
      await agent.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** `remote(agent(provider))`: the same installation, at the end of a wire. */
export async function agentSubject(inner: ConformanceSubject): Promise<ConformanceSubject> {
  const { signal } = new AbortController();
  const agent = await testAgent(inner.provider);
  const relays = new Map<string, Promise<Relay>>();
  const again = () => remoteProvider({ address: `http://127.0.0.1:${agent.port}`, token: TOKEN }, signal);
  return {
    ...inner,
    provider: await again(),
    again,
    async reach(endpoint) {
      const key = JSON.stringify(endpoint);
      const relay = relays.get(key) ?? openRelay(endpoint);
      relays.set(key, relay);
      return (await relay).endpoint;
    },
    async cleanup() {
      for (const relay of relays.values()) await (await relay).close();
      await agent.close();
      await inner.cleanup();
    },
  };
}

interface Relay {
  readonly endpoint: DirectEndpoint;
  close(): Promise<void>;
}

/** Sockets of this machine that lead to a seat's ports the way the server's gateway goes. */
async function openRelay(endpoint: SeatEndpoint): Promise<Relay> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-reach-'));
  const sockets = new Set<Socket>();
  const listenAt = async (port: number): Promise<Server> => {
    const dial = dialPort(endpoint, port, { connectTimeoutMs: 5_000, agentToken: () => TOKEN });
    const server = createServer((client) => {
      client.pause();
      client.on('error', () => client.destroy());
      sockets.add(client);
      const deadline = performance.now() + REACH_MS;
      const track = (socket: Socket, other: Socket) => {
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
            return setTimeout(connect, 100);
          }
          track(socket, client);
          track(client, socket);
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
