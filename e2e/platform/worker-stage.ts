import assert from 'node:assert/strict';
import type { Instructor } from '@clarateach/bench/platform';
import type { AdminVms, WorkerView } from '@clarateach/contract/health';
import { tcpProxy } from '@clarateach/server/testing/tcp-proxy';
import { AGENT_TOKEN, type AgentProcess, newAgent, untilLearnersGoStraight } from './agents.ts';
import { firstInstructor, newInstallation, type Running, type SeatRuntime } from './up.ts';

/** Seconds after which a silent worker's seats are moved, in these tests. */
const LOST_SECONDS = 12;

export type WorkerStage = Awaited<ReturnType<typeof twoWorkers>>;

/** A server and two agents on loopback ports; the first is reached by a line that can be cut. */
export async function twoWorkers(
  options: { wrongTokenForTwo?: boolean; runtime?: SeatRuntime; env?: Readonly<Record<string, string>> } = {},
) {
  const installation = await newInstallation('local');
  const { runtime = 'local' } = options;
  const env = { SERVER_URL: installation.url, ...options.env };
  const [one, two]: [AgentProcess, AgentProcess] = [
    await newAgent({ env, runtime }),
    await newAgent({ env, runtime }),
  ];
  await Promise.all([one.start(), two.start()]);
  const line = await tcpProxy(one.port);
  const serverEnv = {
    WORKER_LOST_SECONDS: String(LOST_SECONDS),
    WORKER_AGENTS: JSON.stringify([
      { address: `127.0.0.1:${line.port}`, token: AGENT_TOKEN },
      {
        address: `127.0.0.1:${two.port}`,
        token: options.wrongTokenForTwo ? 'not-the-token' : AGENT_TOKEN,
      },
    ]),
  };
  let running: Running = await installation.up({ env: serverEnv });
  const instructor: Instructor = await firstInstructor(installation, running);
  await untilLearnersGoStraight(instructor);
  const workers = async () => (await instructor.api<AdminVms>('GET', '/api/admin/vms')).workers;
  return {
    one,
    two,
    line,
    portOfOne: line.port,
    url: installation.url,
    instructor,
    /** The agent at one of these ports. */
    agentWith(ports: readonly string[]): AgentProcess {
      const found = [one, two].find(({ port }) => ports.includes(String(port)));
      assert.ok(found, `no worker at ${ports.join()}`);
      return found;
    },
    async worker(port: number): Promise<WorkerView> {
      const found = (await workers()).find(({ address }) => address === `http://127.0.0.1:${port}`);
      assert.ok(found);
      return found;
    },
    killServer: () => running.kill(),
    async startServer() {
      running = await installation.up({ env: serverEnv });
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
      await line.close();
      for (const agent of [one, two]) await agent.end();
      assert.deepEqual(await installation.leftBehind(), []);
      await installation.remove();
    },
  };
}
