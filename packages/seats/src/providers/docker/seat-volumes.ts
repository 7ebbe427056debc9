import { type SeatId, seatName } from '@clarateach/contract/ids';
import type Dockerode from 'dockerode';
import { ProviderError } from '../../provider.ts';
import { unless } from './engine.ts';
import { carries, foreign, labelFilter, seatLabels } from './labels.ts';
import { volumeBounds } from './seat-container.ts';
import { removed } from './until.ts';

interface SeatVolumesOptions {
  readonly docker: Dockerode;
  readonly installation: string;
  /** What a seat may keep; undefined: as much as the engine's disk holds. */
  readonly diskMiB: number | undefined;
}

/** What learners keep: a volume for each seat, which its container makes and only its end removes. */
export class SeatVolumes {
  readonly #docker: Dockerode;
  readonly #installation: string;
  readonly #diskMiB: number | undefined;

  constructor({ docker, installation, diskMiB }: SeatVolumesOptions) {
    this.#docker = docker;
    this.#installation = installation;
    this.#diskMiB = diskMiB;
  }

  /** Makes a bounded volume and takes it away: better no start than a bound that is none. Throws `rejected`. */
  async checkQuotas(): Promise<void> {
    if (this.#diskMiB === undefined) return;
    const Name = `clarateach-quota-${this.#installation}`;
    try {
      await this.#docker.createVolume({ Name, Driver: 'local', DriverOpts: volumeBounds(this.#diskMiB) });
    } catch (cause) {
      const message = `Seats' disks cannot be bounded: the Docker engine keeps volumes on a file system without project quotas. Use XFS mounted with pquota for ${'`/var/lib/docker`'}, or leave SEAT_DISK_GIB unset.`;
      throw new ProviderError('rejected', message, { cause });
    }
    await unless([404], this.#docker.getVolume(Name).remove());
  }

  /** A volume of the seat's name that another installation made holds somebody else's files: throws `rejected`. */
  async claim(seat: SeatId, abortSignal: AbortSignal): Promise<void> {
    const name = seatName(seat);
    const found = await unless([404], this.#docker.getVolume(name).inspect({ abortSignal }));
    if (found && !carries(found.Labels, seatLabels(this.#installation, seat))) throw foreign('volume', name);
  }

  /** With all that the learner has saved. */
  async remove(seat: SeatId, signal: AbortSignal): Promise<void> {
    const { Volumes } = await this.#docker.listVolumes({
      filters: labelFilter(seatLabels(this.#installation, seat)),
      abortSignal: signal,
    });
    await Promise.all(
      (Volumes ?? []).map(({ Name }) =>
        // In use for as long as the engine counts the container that is just gone.
        removed(() => this.#docker.getVolume(Name).remove(), { signal, what: `The volume of ${Name}` }),
      ),
    );
  }
}
