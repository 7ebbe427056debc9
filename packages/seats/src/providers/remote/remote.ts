import { randomUUID } from 'node:crypto';
import {
  AGENT_API_VERSION,
  AGENT_CHANGE_HEADER,
  AGENT_INSTALLATION_HEADER,
  AGENT_VERSION_HEADER,
  type AgentInfo,
  agentError,
  agentInfo,
  agentKeys,
  type HolderRequest,
  type RevocationsRequest,
  type VmRequest,
  vm,
  vmList,
  vmPath,
} from '@clarateach/contract/agent-api';
import type { SeatId } from '@clarateach/contract/ids';
import type { z } from 'zod';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '../../provider.ts';

export interface RemoteOptions {
  /** The agent's origin, such as `http://10.0.0.5:9090`. */
  readonly address: string;
  readonly token?: string | undefined;
  /** Whose seats these are; those of others on the same agent are left alone, and not seen. */
  readonly installation?: string | undefined;
}

/** An agent at the end of a wire: the verbs of a seat provider, and what only agents have. */
export interface RemoteAgent extends Omit<SeatProvider, 'info'> {
  readonly address: string;
  /** What the agent is and holds; also how one finds out that it lives. */
  inspect(signal: AbortSignal): Promise<AgentInfo>;
  /** Says whose tokens pass for a seat. An older word than the agent has, or one on a seat that it has not, is left out. */
  setHolder(seat: SeatId, holder: HolderRequest, signal: AbortSignal): Promise<void>;
  /** Adds to the tokens that the agent refuses; their connections have ended when it resolves. */
  revoke(request: RevocationsRequest, signal: AbortSignal): Promise<void>;
  /** Says which keys are honoured now; the agent has fetched them when it resolves. Gives those that it has. */
  tellKeys(ids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
}

/** The agent as a seat provider. Asks it first what it runs, so it throws when the agent is not there. */
export async function remoteProvider(options: RemoteOptions, signal: AbortSignal): Promise<SeatProvider> {
  const agent = remoteAgent(options);
  const { runtime } = await agent.inspect(signal);
  return { ...agent, info: runtime };
}

/**
 * Speaks the agent API. Failures are {@link ProviderError}s: the kinds of the agent's own provider
 * come back as they are; a wrong token and another version are `rejected`, silence is `unreachable`.
 */
export function remoteAgent({ address, token, installation }: RemoteOptions): RemoteAgent {
  const client = randomUUID();
  let changes = 0;
  const where = new URL(address).host;

  const ask = async (
    method: string,
    path: string,
    options: { signal: AbortSignal; body?: unknown; isChange?: boolean },
  ): Promise<Response> => {
    const { signal, body, isChange } = options;
    signal.throwIfAborted();
    let response: Response;
    try {
      response = await fetch(new URL(path, address), {
        method,
        signal,
        redirect: 'error',
        headers: {
          [AGENT_VERSION_HEADER]: String(AGENT_API_VERSION),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(installation === undefined ? {} : { [AGENT_INSTALLATION_HEADER]: installation }),
          ...(isChange ? { [AGENT_CHANGE_HEADER]: `${client}.${++changes}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (cause) {
      signal.throwIfAborted();
      throw new ProviderError(
        'unreachable',
        `The worker ${where} does not answer. Its seats are left as they are.`,
        {
          cause,
        },
      );
    }
    await checkVersion(response);
    return response;
  };

  const checkVersion = async (response: Response): Promise<void> => {
    const version = response.headers.get(AGENT_VERSION_HEADER);
    if (version === String(AGENT_API_VERSION)) return;
    await response.body?.cancel();
    throw version === null
      ? new ProviderError(
          'unreachable',
          `What answers at ${where} is not a ClaraTeach agent. Check its address.`,
        )
      : new ProviderError(
          'rejected',
          `The worker ${where} speaks version ${version} of the agent API, this server version ${AGENT_API_VERSION}. Bring both to the same version of ClaraTeach.`,
        );
  };

  const failure = async (response: Response): Promise<ProviderError> => {
    const parsed = agentError.safeParse(await response.json().catch(() => undefined));
    const code = parsed.data?.error.code;
    const message = parsed.data?.error.message ?? `It answered with status ${response.status}.`;
    switch (code) {
      case 'capacity':
      case 'unreachable':
      case 'rejected':
        return new ProviderError(code, message);
      case 'unauthenticated':
        return new ProviderError(
          'rejected',
          `The worker ${where} does not take this server's token. Give both the same: AGENT_TOKEN there, "token" in WORKER_AGENTS here.`,
        );
      case 'superseded':
      case 'internal':
      case undefined:
        return new ProviderError('unreachable', `The worker ${where} could not do it: ${message}`);
      default:
        return new ProviderError('rejected', `The worker ${where} refused: ${message}`);
    }
  };

  const read = async <T>(response: Response, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> => {
    if (!response.ok) throw await failure(response);
    let body: unknown;
    try {
      body = await response.json();
    } catch (cause) {
      signal.throwIfAborted();
      throw new ProviderError('unreachable', `The worker ${where} broke off its answer.`, { cause });
    }
    const parsed = schema.safeParse(body);
    if (parsed.success) return parsed.data;
    throw new ProviderError(
      'rejected',
      `The worker ${where} answered something that this server does not know.`,
      {
        cause: parsed.error,
      },
    );
  };

  const done = async (response: Response): Promise<void> => {
    if (!response.ok) throw await failure(response);
    await response.body?.cancel();
  };

  return {
    address,

    async ensure(spec, signal) {
      await done(await ask('POST', '/vms', { signal, body: requestOf(spec), isChange: true }));
    },

    async stop(seat, signal) {
      await done(await ask('POST', `${vmPath(seat)}/stop`, { signal, isChange: true }));
    },

    async destroy(seat, signal) {
      await done(await ask('DELETE', vmPath(seat), { signal, isChange: true }));
    },

    async observe(seat, signal): Promise<Observed> {
      const response = await ask('GET', vmPath(seat), { signal });
      if (response.status === 404) {
        await response.body?.cancel();
        return { state: 'absent' };
      }
      const seen = await read(response, vm, signal);
      switch (seen.state) {
        case 'running':
          return {
            state: 'running',
            endpoint: { kind: 'agent', agent: address, url: `${address}${vmPath(seat)}/connect` },
          };
        case 'exited':
          return { state: 'exited', code: seen.code ?? -1, reason: seen.reason ?? '' };
        default:
          return { state: seen.state };
      }
    },

    async list(signal) {
      const { vms } = await read(await ask('GET', '/vms', { signal }), vmList, signal);
      return vms.map(({ workshop_id, seat_id }) => ({ workshop: workshop_id, seat: seat_id }));
    },

    inspect: async (signal) => read(await ask('GET', '/info', { signal }), agentInfo, signal),

    async setHolder(seat, holder, signal) {
      const response = await ask('PUT', `${vmPath(seat)}/holder`, { signal, body: holder });
      // Superseded, or a seat that is not there yet: there is nobody to let in.
      if (response.status === 409 || response.status === 404) await response.body?.cancel();
      else await done(response);
    },

    async revoke(request, signal) {
      await done(await ask('PUT', '/revocations', { signal, body: request }));
    },

    async tellKeys(ids, signal) {
      const answer = await ask('PUT', '/keys', { signal, body: { key_ids: ids } });
      return (await read(answer, agentKeys, signal)).key_ids;
    },

    async close() {},
  };
}

function requestOf({ id, image, env, limits }: SeatSpec): VmRequest {
  return {
    workshop_id: id.workshop,
    seat_id: id.seat,
    ...(image === undefined ? {} : { image }),
    env: { ...env },
    limits: {
      memory_mib: limits.memoryMiB,
      cpus: limits.cpus,
      processes: limits.processes,
      open_files: limits.openFiles,
    },
  };
}
