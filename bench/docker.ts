import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { seatName } from '@clarateach/contract/ids';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import Docker from 'dockerode';

export const docker = new Docker();
export const SEAT_IMAGE = 'clarateach-workspace:latest';

/** Starts containers that only sleep, all at once; gives their ids. */
export async function startSleepers(count: number): Promise<string[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const container = await docker.createContainer({
        Image: SEAT_IMAGE,
        Entrypoint: ['sleep'],
        Cmd: ['infinity'],
        Labels: { 'clarateach.bench': 'sleeper' },
      });
      await container.start();
      return container.id;
    }),
  );
}

/** Thaws a paused container and opens a shell in it; gives the milliseconds to the first byte of its prompt. */
export async function unpauseToPrompt(id: string): Promise<number> {
  const container = docker.getContainer(id);
  const began = performance.now();
  await container.unpause();
  const exec = await container.exec({
    Cmd: ['bash', '--norc', '-i'],
    Tty: true,
    AttachStdin: true,
    AttachStdout: true,
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  await once(stream, 'data');
  const elapsed = performance.now() - began;
  const ended = once(stream, 'close');
  stream.resume();
  stream.end('exit\n');
  await ended;
  return elapsed;
}

export async function removeContainers(ids: readonly string[]): Promise<void> {
  await Promise.all(ids.map((id) => docker.getContainer(id).remove({ force: true })));
}

/** Address of a docker seat on its own network, as the machine itself reaches it. */
export async function seatHost({ id }: Pick<WorkshopDetails, 'id'>, seat: number): Promise<string> {
  const { NetworkSettings } = await docker.getContainer(seatName({ workshop: id, seat })).inspect();
  const [network] = Object.values(NetworkSettings.Networks);
  if (!network?.IPAddress) throw new Error(`Seat ${seat} has no address.`);
  return network.IPAddress;
}

/** MiB that a container costs the machine: its processes and its shim, shared pages counted in parts. */
export async function containerMiB(nameOrId: string): Promise<number> {
  const { State } = await docker.getContainer(nameOrId).inspect();
  const shim = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${State.Pid}/status`, 'utf8'))?.[1]);
  return treeOf(shim).reduce((sum, pid) => sum + pssKiB(pid), 0) / 1024;
}

/** The process and all below it. A Go program has children from any of its threads. */
function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(treeOf)];
}

function pssKiB(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
}
