import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConformanceSubject } from '@clarateach/seats/conformance';
import type { SeatProvider } from '@clarateach/seats/provider';
import { remoteProvider } from '@clarateach/seats/providers/remote';
import { type AgentConfig, readAgentConfig } from './config.ts';
import { type AgentOverrides, createAgent, type RunningAgent } from './main.ts';
import { openSeatRelay, type SeatRelay } from './seat-relay.ts';

/** What the tests of agents share. */

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
  const relays = new Map<string, Promise<SeatRelay>>();
  const again = () => remoteProvider({ address: `http://127.0.0.1:${agent.port}`, token: TOKEN }, signal);
  return {
    ...inner,
    provider: await again(),
    again,
    async reach(endpoint) {
      const key = JSON.stringify(endpoint);
      const relay = relays.get(key) ?? openSeatRelay(endpoint, TOKEN);
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
