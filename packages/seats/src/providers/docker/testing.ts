import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import type Dockerode from 'dockerode';
import type { Observed, SeatProvider, SeatSpec } from '../../provider.ts';
import { unless } from './engine.ts';
import { installationLabels, labelFilter } from './labels.ts';

/** What the tests of this folder share; used by nothing else. */

export const SEAT_IMAGE = 'clarateach-workspace:latest';

/** For one test. A seat that starts in a second takes twenty on a machine whose processors others use as well. */
export const TEST_DEADLINE_MS = 120_000;
const STATE_DEADLINE_MS = 90_000;

export function randomWorkshop(): WorkshopId {
  return `ws-${randomBytes(4).toString('hex')}` as WorkshopId;
}

export function specOf(id: SeatId, changes: Partial<SeatSpec> = {}): SeatSpec {
  return {
    id,
    env: { CLAUDE_API_KEY: 'sk-test-0123456789-0123456789' },
    limits: { memoryMiB: 384, cpus: 1, processes: 128, openFiles: 2048 },
    ...changes,
  };
}

/** Polls until the seat is in the state. */
export async function observed<State extends Observed['state']>(
  provider: SeatProvider,
  seat: SeatId,
  state: State,
): Promise<Extract<Observed, { state: State }>> {
  const deadline = performance.now() + STATE_DEADLINE_MS;
  for (;;) {
    const seen = await provider.observe(seat, AbortSignal.timeout(10_000));
    if (seen.state === state) return seen as Extract<Observed, { state: State }>;
    assert.ok(performance.now() < deadline, `seat is ${JSON.stringify(seen)}, not ${state}`);
    await delay(50);
  }
}

/** Polls until `ask` answers yes. */
export async function eventually(what: string, ask: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + STATE_DEADLINE_MS;
  while (!(await ask())) {
    assert.ok(performance.now() < deadline, what);
    await delay(100);
  }
}

export interface Ran {
  readonly code: number;
  readonly output: string;
}

/** Runs a script as the container's own user, under the container's own restrictions. */
export async function runIn(
  docker: Dockerode,
  container: string,
  script: string,
  shell = '/bin/bash',
): Promise<Ran> {
  const exec = await docker.getContainer(container).exec({
    Cmd: [shell, '-c', script],
    AttachStdout: true,
    AttachStderr: true,
    Tty: true,
  });
  const stream = await exec.start({ Tty: true });
  let output = '';
  for await (const chunk of stream) output += String(chunk);
  const { ExitCode } = await exec.inspect();
  return { code: ExitCode ?? -1, output: output.replaceAll('\r\n', '\n').trim() };
}

export function runInSeat(docker: Dockerode, seat: SeatId, script: string): Promise<Ran> {
  return runIn(docker, seatName(seat), script);
}

/** Names of all that the engine has of an installation. */
export async function leftOvers(docker: Dockerode, installation: string): Promise<string[]> {
  const filters = labelFilter(installationLabels(installation));
  const [containers, networks, volumes] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  return [
    ...containers.map(({ Names }) => `container ${Names.join()}`),
    ...networks.map(({ Name }) => `network ${Name}`),
    ...(volumes.Volumes ?? []).map(({ Name }) => `volume ${Name}`),
  ];
}

/** Removes what a failed test left, by label. */
export async function removeLeftOvers(docker: Dockerode, installation: string): Promise<void> {
  const filters = labelFilter(installationLabels(installation));
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    await unless([304, 404], docker.getContainer(Id).stop({ t: 2 }));
    await unless([404, 409], docker.getContainer(Id).remove({ force: true }));
  }
  for (const { Id } of await docker.listNetworks({ filters })) await docker.getNetwork(Id).remove();
  const { Volumes } = await docker.listVolumes({ filters });
  for (const { Name } of Volumes ?? []) await docker.getVolume(Name).remove();
}

/** Why the docker tests cannot run here; undefined when they can. */
export async function whyNot(docker: Dockerode): Promise<string | undefined> {
  try {
    await docker.getImage(SEAT_IMAGE).inspect();
    return undefined;
  } catch (error) {
    return (error as { statusCode?: number }).statusCode === 404
      ? `the seat image is not built (./clarateach image build)`
      : `no Docker engine (${(error as Error).message})`;
  }
}
