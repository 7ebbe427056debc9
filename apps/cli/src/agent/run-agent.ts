import { once } from 'node:events';
import { type AgentConfig, readAgentConfig } from '@clarateach/agent/config';
import { createAgent, type RunningAgent } from '@clarateach/agent/main';
import { withMetadataToken } from '@clarateach/agent/metadata-token';
import { ConfigError, type Environment } from '@clarateach/contract/settings';
import type { AgentOptions } from '../commands/agent.ts';
import { CommandError, UsageError } from '../errors.ts';
import type { Output } from '../output.ts';
import { whileBuilding } from '../prepare/build-lock.ts';
import { prepareSeats } from '../prepare/seats.ts';
import { chooseRuntime } from '../up/choose-runtime.ts';

/** Brings a checkout to a running agent, and ends the agent when the signal is aborted; its seats run on. */
export async function runAgent(output: Output, signal: AbortSignal, options: AgentOptions): Promise<void> {
  // Wrong settings are told before anything is built.
  const asked = configFrom(await withMetadataToken(process.env), options);
  const { imagesDirectory } = asked.microvm;
  const chosen = await chooseRuntime(output, signal, { asked: asked.runtime, microvm: asked.microvm });
  output.note(`Seats run in the ${chosen.runtime} runtime (${chosen.why})`);
  await whileBuilding(output, signal, () => prepareSeats(output, signal, chosen, imagesDirectory));
  const agent = await start({ ...asked, runtime: chosen.runtime });
  try {
    output.line(`ClaraTeach agent is ready at ${agent.url}`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await agent.close();
    output.note('Stopped. The seats run on; the next start finds them.');
  }
}

function configFrom(env: Environment, { port, host, data, runtime, capacity }: AgentOptions): AgentConfig {
  const said = Object.entries({
    PORT: port?.toString(),
    HOST: host,
    DATA_DIR: data,
    RUNTIME: runtime,
    CAPACITY: capacity?.toString(),
  }).filter(([, value]) => value !== undefined);
  try {
    return readAgentConfig({ ...env, ...Object.fromEntries(said) });
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message);
    throw error;
  }
}

async function start(config: AgentConfig): Promise<RunningAgent> {
  try {
    return await createAgent(config);
  } catch (error) {
    throw new CommandError(`The agent could not start. ${(error as Error).message}`, { cause: error });
  }
}
