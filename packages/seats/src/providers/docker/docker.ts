import { availableParallelism } from 'node:os';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import type Dockerode from 'dockerode';
import { type Observed, ProviderError, type SeatProvider, type SeatSpec } from '../../provider.ts';
import { Slots, Turnstiles } from '../../turnstile.ts';
import { abortable, ENGINE_SOCKET, engineCall, engineClient, statusOf, unless } from './engine.ts';
import { carries, foreign, installationLabels, labelFilter, seatLabels, seatOf } from './labels.ts';
import { NetworkGuard } from './network-guard.ts';
import { seatContainer } from './seat-container.ts';
import { answersHealth } from './seat-health.ts';
import { SeatList } from './seat-list.ts';
import { SeatNetworks } from './seat-network.ts';
import { SeatVolumes } from './seat-volumes.ts';
import { removed } from './until.ts';

/** Starts that the engine is given at once. A start is all processor time: more only hold each other up. */
const CONCURRENT_STARTS = Math.max(4, 2 * availableParallelism());
/** Networks to cut seats' subnets from: 8192 seats in each of the first two, 1024 in the last. */
const DEFAULT_POOLS = ['10.201.0.0/16', '172.30.0.0/16', '192.168.224.0/19'];

export interface DockerProviderOptions {
  /** The engine's socket; `/var/run/docker.sock` when left out. */
  readonly socketPath?: string;
  /** The image of seats that name none, and of the network guard; made by `clarateach image build`. */
  readonly image: string;
  /** Tells this installation's seats from another's on the same engine; the same at every start. */
  readonly installation: string;
  /** IPv4 networks (CIDR) that seats' subnets are cut from; what the host uses of them is left alone. */
  readonly subnetPools?: readonly string[];
  /** IPv4 name servers for the seats, which may be private; the engine's and the host's when left out. */
  readonly resolvers?: readonly string[];
  /** Bounds each seat's /workspace. Refused where the engine's file system has no project quotas. */
  readonly diskMiB?: number;
}

/**
 * Seats as containers of a Docker engine on this machine. All that it knows is in the engine, by
 * labels, so a new process goes on where another one stopped.
 */
export async function dockerProvider(options: DockerProviderOptions): Promise<SeatProvider> {
  const docker = engineClient(options.socketPath ?? ENGINE_SOCKET);
  const { signal } = new AbortController();
  await engineCall(docker, signal, () => docker.ping());
  const { installation, diskMiB } = options;
  const volumes = new SeatVolumes({ docker, installation, diskMiB });
  await engineCall(docker, signal, () => volumes.checkQuotas());
  return new DockerSeats(docker, volumes, options);
}

class DockerSeats implements SeatProvider {
  readonly info = {
    name: 'docker',
    isolation: 'container',
    note: 'Each seat is a container with a network of its own; fit for people you do not know.',
  } as const;

  readonly #docker: Dockerode;
  readonly #options: DockerProviderOptions;
  readonly #volumes: SeatVolumes;
  readonly #networks: SeatNetworks;
  readonly #guard: NetworkGuard;
  readonly #list: SeatList;
  /** Changes of one seat never overlap, not even with one whose caller has given up. */
  readonly #turns = new Turnstiles();
  readonly #starts = new Slots(CONCURRENT_STARTS);
  /** Seats that this process is about to start; a container that was only created is theirs. */
  readonly #starting = new Set<string>();
  readonly #closed = new AbortController();

  constructor(docker: Dockerode, volumes: SeatVolumes, options: DockerProviderOptions) {
    const { installation, image, resolvers = [] } = options;
    this.#docker = docker;
    this.#volumes = volumes;
    this.#options = options;
    this.#networks = new SeatNetworks({ docker, installation, pools: options.subnetPools ?? DEFAULT_POOLS });
    this.#list = new SeatList(docker, installation);
    this.#guard = new NetworkGuard({
      docker,
      installation,
      image,
      resolvers,
      isNeeded: async (signal) => (await this.#networks.list(signal)).length > 0,
    });
  }

  ensure(spec: SeatSpec, signal: AbortSignal): Promise<void> {
    const name = seatName(spec.id);
    return this.#change(name, signal, () =>
      this.#guard.whileHeld(() =>
        this.#starts.run(async () => {
          signal.throwIfAborted();
          this.#starting.add(name);
          try {
            await this.#start(spec, signal);
          } finally {
            this.#starting.delete(name);
          }
        }),
      ),
    );
  }

  /** Changes a seat, in its turn; an abort ends the caller's wait at once. */
  #change(name: string, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const changed = this.#turns.pass(name, () => engineCall(this.#docker, signal, work));
    return abortable(changed, signal);
  }

  async #start(spec: SeatSpec, abortSignal: AbortSignal): Promise<void> {
    // None of the three needs another; the start needs them all.
    const made = await Promise.allSettled([
      this.#create(spec, abortSignal),
      this.#networks.ensure(spec.id, abortSignal),
      this.#guard.ensure(abortSignal),
    ]);
    for (const part of made) if (part.status === 'rejected') throw part.reason;
    const container = made[0].status === 'fulfilled' ? made[0].value : undefined;
    if (container === undefined) return;
    abortSignal.throwIfAborted();
    try {
      await unless([304], container.start());
    } catch (error) {
      if (statusOf(error) !== 404) throw error;
      // Somebody took a part away since it was made; the next try makes it again.
      throw new ProviderError(
        'unreachable',
        'A part of the seat is gone from the Docker engine; it is made again.',
        {
          cause: error,
        },
      );
    }
  }

  /** A container to be started; undefined when the seat runs already. */
  async #create(spec: SeatSpec, abortSignal: AbortSignal): Promise<Dockerode.Container | undefined> {
    const name = seatName(spec.id);
    const { installation, image, resolvers = [], diskMiB } = this.#options;
    await this.#volumes.claim(spec.id, abortSignal);
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.#docker.createContainer(
          seatContainer(spec, { installation, image, resolvers, diskMiB }),
        );
      } catch (error) {
        if (statusOf(error) === 404) {
          throw new ProviderError(
            'rejected',
            `The engine has no image ${spec.image ?? image}. Build the seat image with \`clarateach image build\`, or pull the one that the workshop names.`,
            { cause: error },
          );
        }
        if (statusOf(error) !== 409 || tries > 3) throw error;
      }
      const found = await unless([404], this.#docker.getContainer(name).inspect({ abortSignal }));
      if (found === undefined) continue;
      if (!carries(found.Config.Labels, seatLabels(installation, spec.id))) throw foreign('container', name);
      if (found.State.Paused) await unless([304, 409], this.#docker.getContainer(found.Id).unpause());
      if (found.State.Running) return undefined;
      // What has ended, or never began, is made anew: its settings may have changed, its files are in the volume.
      await this.#removeContainer(found.Id, abortSignal);
    }
  }

  async stop(seat: SeatId, signal: AbortSignal): Promise<void> {
    await this.#change(seatName(seat), signal, async () => {
      await this.#removeRunning(seat, signal);
      await this.#guard.releaseIfUnused(signal);
    });
  }

  async destroy(seat: SeatId, signal: AbortSignal): Promise<void> {
    await this.#change(seatName(seat), signal, async () => {
      await this.#removeRunning(seat, signal);
      await this.#volumes.remove(seat, signal);
      await this.#guard.releaseIfUnused(signal);
    });
  }

  async #removeRunning(seat: SeatId, abortSignal: AbortSignal): Promise<void> {
    const containers = await this.#docker.listContainers({
      all: true,
      filters: labelFilter(seatLabels(this.#options.installation, seat)),
      abortSignal,
    });
    await Promise.all(containers.map(({ Id }) => this.#removeContainer(Id, abortSignal)));
    await this.#networks.remove(seat, abortSignal);
  }

  /** Killed at once: what a learner has saved is in the volume, and nothing in a seat holds more. */
  async #removeContainer(id: string, abortSignal: AbortSignal): Promise<void> {
    const remove = () => this.#docker.getContainer(id).remove({ force: true, v: true });
    await removed(remove, { signal: abortSignal, what: 'The container of a seat' });
  }

  async observe(seat: SeatId, signal: AbortSignal): Promise<Observed> {
    return engineCall(this.#docker, signal, async () => {
      const containers = await this.#list.containers();
      signal.throwIfAborted();
      const name = seatName(seat);
      const wanted = seatLabels(this.#options.installation, seat);
      const container = containers.find(({ Labels }) => carries(Labels, wanted));
      if (container === undefined)
        return this.#starting.has(name) ? { state: 'starting' } : { state: 'absent' };
      switch (container.State) {
        case 'running': {
          this.#keepGuard(containers);
          const host = container.NetworkSettings.Networks[name]?.IPAddress;
          if (!host || !(await answersHealth(host, signal))) return { state: 'starting' };
          return { state: 'running', endpoint: { kind: 'tcp', host } };
        }
        case 'paused':
        case 'restarting':
          return { state: 'starting' };
        case 'exited':
        case 'dead':
          return await this.#ending(container.Id, signal);
        default:
          // Created by a process that died before it could start it, or on its way out.
          return this.#starting.has(name) ? { state: 'starting' } : { state: 'absent' };
      }
    });
  }

  async #ending(id: string, abortSignal: AbortSignal): Promise<Observed> {
    const found = await unless([404], this.#docker.getContainer(id).inspect({ abortSignal }));
    if (found === undefined) return { state: 'absent' };
    const { ExitCode: code, OOMKilled, Error: failure } = found.State;
    const memoryMiB = Math.round((found.HostConfig.Memory ?? 0) / (1024 * 1024));
    if (OOMKilled && code === 137)
      return { state: 'exited', code, reason: `The seat ran out of memory (${memoryMiB} MiB).` };
    if (failure) return { state: 'exited', code, reason: `The seat could not run: ${failure}` };
    return { state: 'exited', code, reason: `The seat's container ended with exit code ${code}.` };
  }

  /** Seats that run while no guard does, because somebody removed it, get it back. */
  #keepGuard(containers: readonly Dockerode.ContainerInfo[]): void {
    if (this.#closed.signal.aborted || containers.some((container) => this.#guard.isGuard(container))) return;
    // A failure shows in the next start, and is tried again at the next look.
    this.#guard.whileHeld(() => this.#guard.ensure(this.#closed.signal)).catch(() => {});
  }

  async list(signal: AbortSignal): Promise<readonly SeatId[]> {
    return engineCall(this.#docker, signal, async () => {
      const filters = labelFilter(installationLabels(this.#options.installation));
      const [containers, networks, volumes] = await Promise.all([
        this.#docker.listContainers({ all: true, filters, abortSignal: signal }),
        this.#docker.listNetworks({ filters, abortSignal: signal }),
        this.#docker.listVolumes({ filters, abortSignal: signal }),
      ]);
      const seats = new Map<string, SeatId>();
      for (const { Labels } of [...containers, ...networks, ...(volumes.Volumes ?? [])]) {
        const seat = seatOf(Labels);
        if (seat !== undefined) seats.set(seatName(seat), seat);
      }
      return [...seats.values()];
    });
  }

  async close(): Promise<void> {
    this.#closed.abort();
    // Without seats the guard has nothing to guard; with seats, it stays with them.
    await this.#guard.releaseIfUnused(AbortSignal.timeout(10_000)).catch(() => {});
  }
}
