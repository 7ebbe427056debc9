import { setTimeout as pause } from 'node:timers/promises';
import { withMetadataToken } from '@clarateach/agent/metadata-token';
import {
  AGENT_API_VERSION,
  AGENT_DRAIN_PATH,
  AGENT_VERSION_HEADER,
  type AgentHealth,
  agentError,
  agentHealth,
  DEFAULT_AGENT_PORT,
} from '@clarateach/contract/agent-api';
import { Command, Option } from 'commander';
import { CommandError, UsageError } from '../errors.ts';
import type { Output } from '../output.ts';
import { print } from './remote.ts';

const ANSWER_MS = 10_000;
const LOOK_MS = 1_000;

interface DrainOptions {
  readonly address: string;
  readonly undo?: boolean;
  readonly wait?: boolean;
  readonly json?: boolean;
}

export function agentDrainCommand(output: Output): Command {
  return new Command('drain')
    .description('let a worker take no new seats, also after a restart; those that it has run on')
    .addOption(
      new Option(
        '--address <host:port>',
        'the agent; its token comes from AGENT_TOKEN, or on a cloud VM from its metadata',
      ).default(`127.0.0.1:${process.env.PORT || DEFAULT_AGENT_PORT}`),
    )
    .option('--wait', 'return when the worker is empty')
    .option('--undo', 'let it take seats again')
    .option('--json', 'print JSON')
    .action((options: DrainOptions) => drain(output, options));
}

async function drain(output: Output, options: DrainOptions): Promise<void> {
  if (options.undo && options.wait) throw new UsageError('Give --wait or --undo, not both.');
  const url = URL.parse(
    /^https?:\/\//i.test(options.address) ? options.address : `http://${options.address}`,
  );
  if (!url) throw new UsageError(`"${options.address}" is no address. Give one such as 10.0.0.5:9090.`);
  const token = (await withMetadataToken(process.env)).AGENT_TOKEN?.trim();
  const agent = { url, token };
  let health = await ask(agent, options.undo ? 'DELETE' : 'PUT', AGENT_DRAIN_PATH);
  let told: number | undefined;
  while (options.wait && health.vm_count > 0) {
    if (health.vm_count !== told) output.note(`${seats(health.vm_count)} left …`);
    told = health.vm_count;
    await pause(LOOK_MS);
    health = await ask(agent, 'GET', '/health');
    if (health.status !== 'draining') {
      throw new CommandError('The worker takes seats again: somebody ended the draining.');
    }
  }
  print(output, options, health, () => output.line(describe(health)));
}

function describe({ status, vm_count }: AgentHealth): string {
  if (status !== 'draining') return 'The worker takes seats again.';
  return vm_count === 0
    ? 'The worker is empty and takes no new seats: it can be stopped or removed.'
    : `The worker takes no new seats. ${seats(vm_count)} left; they run on until their workshops end.`;
}

function seats(count: number): string {
  return count === 1 ? '1 seat is' : `${count} seats are`;
}

interface Agent {
  readonly url: URL;
  readonly token: string | undefined;
}

async function ask({ url, token }: Agent, method: string, path: string): Promise<AgentHealth> {
  let response: Response;
  try {
    response = await fetch(new URL(path, url), {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(ANSWER_MS),
      headers: {
        [AGENT_VERSION_HEADER]: String(AGENT_API_VERSION),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
    });
  } catch (cause) {
    throw new CommandError(
      `No agent answers at ${url.host}. Start one with \`clarateach agent\`, or name another with --address.`,
      { cause },
    );
  }
  const body: unknown = await response.json().catch(() => undefined);
  const health = agentHealth.safeParse(body);
  if (health.success) return health.data;
  const { error } = agentError.safeParse(body).data ?? {};
  if (error?.code === 'unauthenticated') {
    throw new CommandError('The agent does not take this token. Give its own as AGENT_TOKEN.');
  }
  throw new CommandError(error?.message ?? `What answers at ${url.host} is not a ClaraTeach agent.`);
}
