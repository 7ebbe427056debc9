import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { portNumber, wholeNumber } from '../numbers.ts';
import type { Output } from '../output.ts';
import { terminationSignal } from '../signals.ts';
import { agentDrainCommand } from './agent-drain.ts';
import { DEFAULT_AGENT_DIRECTORY } from './database-options.ts';

export interface AgentOptions {
  port?: number;
  host?: string;
  data: string;
  runtime?: 'auto' | 'local' | 'docker' | 'firecracker';
  capacity?: number;
}

export function agentCommand(output: Output): Command {
  return (
    new Command('agent')
      .description('keep seats alive on this machine for a server elsewhere; seats run on at its end')
      // Its own options and those of the commands below have the same names.
      .enablePositionalOptions()
      .addCommand(agentDrainCommand(output))
      .option('--port <n>', 'port of the agent (9090, or PORT)', portNumber)
      .option('--host <address>', 'address to listen on (HOST; this machine alone when left out)')
      .addOption(
        new Option('--data <dir>', 'where its keys and the files of local seats are')
          .env('DATA_DIR')
          .default(DEFAULT_AGENT_DIRECTORY),
      )
      .addOption(
        new Option('--runtime <name>', 'what seats run in (auto, or RUNTIME)').choices([
          'auto',
          'local',
          'docker',
          'firecracker',
        ]),
      )
      .option('--capacity <seats>', 'how many seats this machine takes (50, or CAPACITY)', capacity)
      .action(async (options: AgentOptions) => {
        const signal = terminationSignal(() => output.note('Stopping (Ctrl-C again leaves at once) …'));
        const { runAgent } = await import('../agent/run-agent.ts');
        await runAgent(output, signal, { ...options, data: resolve(options.data) });
      })
  );
}

function capacity(text: string): number {
  const seats = wholeNumber(text);
  if (seats < 1) throw new InvalidArgumentError('A worker takes at least 1 seat.');
  return seats;
}
