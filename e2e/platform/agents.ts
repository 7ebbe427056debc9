import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Instructor } from '@clarateach/bench/platform';
import type { Vm } from '@clarateach/contract/agent-api';
import type { AdminVms } from '@clarateach/contract/health';
import { freePort } from '@clarateach/server/testing/free-port';
import { eventually, type SeatRuntime } from './up.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_MS = 120_000;
export const AGENT_TOKEN = 'the-token-of-these-workers';

/** A worker of this machine: an agent in a process of its own, which is killed and started again. */
export interface AgentProcess {
  readonly port: number;
  readonly data: string;
  readonly lines: readonly string[];
  start(env?: Readonly<Record<string, string>>): Promise<void>;
  /** Asks it to end; gives the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
  /** What it holds, of any installation. */
  held(): Promise<readonly Vm[]>;
  /** Ends its seats and it, and removes what is kept on purpose. */
  end(): Promise<void>;
  call(method: string, path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

/** Until they have the server's keys, which they fetch beside everything else, learners reach workers through it. */
export async function untilLearnersGoStraight(instructor: Pick<Instructor, 'api'>): Promise<void> {
  await eventually('every worker that is up has the keys', async () => {
    const { workers } = await instructor.api<AdminVms>('GET', '/api/admin/vms');
    return workers.every(({ state, problem }) => state !== 'up' || problem === '');
  });
}

export interface AgentOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** How this machine reaches it; its loopback when left out. */
  readonly host?: string;
  /** A command that runs the one given to it elsewhere, such as in a network namespace. */
  readonly within?: readonly string[];
  /** What its seats run in; `local` when left out. */
  readonly runtime?: SeatRuntime;
}

export async function newAgent({
  env = {},
  host = '127.0.0.1',
  within = [],
  runtime = 'local',
}: AgentOptions = {}): Promise<AgentProcess> {
  const data = await mkdtemp(join(tmpdir(), 'clarateach-e2e-agent-'));
  const port = await freePort();
  const lines: string[] = [];
  let process_: { kill(signal: NodeJS.Signals): boolean } | undefined;
  let ended: Promise<[number | null]> | undefined;

  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    process_?.kill(signal);
    const [code] = (await ended) ?? [null];
    process_ = undefined;
    ended = undefined;
    return code;
  };

  const call = (method: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`http://${host}:${port}${path}`, {
      method,
      headers: { authorization: `Bearer ${AGENT_TOKEN}`, ...headers },
    });

  const agent: AgentProcess = {
    port,
    data,
    lines,
    async start(more = {}) {
      const [program = '', ...args] = [
        ...within,
        ...[process.execPath, 'apps/cli/src/main.ts', 'agent'],
        ...['--port', String(port), '--data', data, '--runtime', runtime],
      ];
      const child = spawn(program, args, {
        cwd: ROOT,
        env: { ...process.env, AGENT_TOKEN, ...env, ...more },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      process_ = child;
      ended = once(child, 'exit') as Promise<[number | null]>;
      const ready = Promise.withResolvers<void>();
      createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line);
        if (line.startsWith('ClaraTeach agent is ready at ')) ready.resolve();
      });
      void ended.then(([code]) =>
        ready.reject(new Error(`The agent ended with ${code}:\n${lines.slice(-20).join('\n')}`)),
      );
      const timer = setTimeout(() => ready.reject(new Error('The agent was not ready in time.')), START_MS);
      try {
        await ready.promise;
      } finally {
        clearTimeout(timer);
      }
    },
    stop: () => end('SIGTERM'),
    async kill() {
      await end('SIGKILL');
    },
    call,
    held: async () => ((await (await call('GET', '/vms')).json()) as { vms: Vm[] }).vms,
    async end() {
      if (process_) {
        // Seats outlive their agent, also those of a test that failed.
        for (const vm of await agent.held()) await call('DELETE', `/vms/${vm.workshop_id}/${vm.seat_id}`);
        assert.equal(await agent.stop(), 0);
      }
      await rm(data, { recursive: true, force: true });
    },
  };
  return agent;
}
