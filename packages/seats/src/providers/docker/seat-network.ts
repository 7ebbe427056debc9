import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import type Dockerode from 'dockerode';
import { ProviderError } from '../../provider.ts';
import { statusOf, unless } from './engine.ts';
import { carries, installationLabels, labelFilter, seatLabels } from './labels.ts';
import { type AddressRange, parseCidr, parseRoutes, SubnetAllocator } from './subnets.ts';
import { until } from './until.ts';

/** Subnets that others took since we looked are met one by one. */
const MAX_REFUSALS = 16;
/** The engine lets go of a container's endpoint a moment after the container is gone. */
const RELEASE_DEADLINE_MS = 30_000;

/**
 * What the bridges of an installation begin with: its network guard knows its own seats by it, and
 * leaves those of others on the engine to theirs.
 */
export function bridgePrefix(installation: string): string {
  const digest = createHash('sha256').update(installation).digest();
  return `ct-${(digest.readUInt16BE(0) % 36 ** 2).toString(36).padStart(2, '0')}`;
}

/**
 * The bridge of a seat's network: the workshop's own 8 characters and the seat in base 36, so two
 * seats never share one. 15 characters, the most that Linux allows.
 */
export function bridgeName(installation: string, seat: SeatId): string {
  const number = seat.seat.toString(36).padStart(2, '0');
  return `${bridgePrefix(installation)}${seat.workshop.slice('ws-'.length)}${number}`;
}

interface SeatNetworksOptions {
  readonly docker: Dockerode;
  readonly installation: string;
  /** IPv4 networks (CIDR) from which seats get their /29, in the order they are used up. */
  readonly pools: readonly string[];
}

/** The network of each seat: a bridge and a small subnet of its own. */
export class SeatNetworks {
  readonly #docker: Dockerode;
  readonly #installation: string;
  readonly #subnets: SubnetAllocator;
  #learned: Promise<void> | undefined;

  constructor({ docker, installation, pools }: SeatNetworksOptions) {
    this.#docker = docker;
    this.#installation = installation;
    this.#subnets = new SubnetAllocator(pools);
  }

  /** After: the seat has a network. */
  async ensure(seat: SeatId, abortSignal: AbortSignal): Promise<void> {
    const name = seatName(seat);
    this.#learned ??= this.#learn(abortSignal).catch((error) => {
      this.#learned = undefined;
      throw error;
    });
    await this.#learned;
    for (let refusals = 0; ; refusals += 1) {
      const subnet = this.#subnets.claim(name, hint(seat));
      if (subnet === undefined) {
        // Others may have let go of some since.
        if (refusals < MAX_REFUSALS) {
          refusals = MAX_REFUSALS;
          await this.#learn(abortSignal);
          continue;
        }
        throw new ProviderError(
          'capacity',
          'No subnet is free for another seat. Stop a workshop, or give ClaraTeach a larger pool of addresses.',
        );
      }
      try {
        await this.#docker.createNetwork({
          Name: name,
          CheckDuplicate: true,
          Driver: 'bridge',
          EnableIPv6: false,
          IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
          Labels: seatLabels(this.#installation, seat),
          Options: { 'com.docker.network.bridge.name': bridgeName(this.#installation, seat) },
        });
        return;
      } catch (error) {
        const status = statusOf(error);
        if (status === 409 && (await this.#isOurs(seat))) {
          this.#subnets.release(name);
          return;
        }
        // Whatever else it was, the next subnet or the next try tells: a taken subnet answers 403, 400 or 500.
        if (status === undefined || refusals >= MAX_REFUSALS) {
          this.#subnets.release(name);
          throw error;
        }
        await this.#learn(abortSignal);
        this.#subnets.refused(name);
      }
    }
  }

  /** After: the seat has no network. */
  async remove(seat: SeatId, abortSignal: AbortSignal): Promise<void> {
    const networks = await this.#docker.listNetworks({
      filters: labelFilter(seatLabels(this.#installation, seat)),
      abortSignal,
    });
    for (const { Id } of networks) {
      await until(
        async () => {
          try {
            await this.#docker.getNetwork(Id).remove();
            return true;
          } catch (error) {
            if (statusOf(error) === 404) return true;
            // 403: it still has an endpoint. 5xx: the engine is at it already.
            if (statusOf(error) === undefined || statusOf(error) === 400) throw error;
            return false;
          }
        },
        { deadlineMs: RELEASE_DEADLINE_MS, signal: abortSignal, what: `The network of ${seatName(seat)}` },
      );
    }
    this.#subnets.release(seatName(seat));
  }

  /** The labels of every seat network of this installation. */
  async list(abortSignal: AbortSignal): Promise<Dockerode.NetworkInspectInfo[]> {
    return this.#docker.listNetworks({
      filters: labelFilter(installationLabels(this.#installation)),
      abortSignal,
    });
  }

  async #isOurs(seat: SeatId): Promise<boolean> {
    const network = this.#docker.getNetwork(seatName(seat));
    const found = await unless([404], network.inspect() as Promise<Dockerode.NetworkInspectInfo>);
    if (found === undefined) return false;
    if (carries(found.Labels, seatLabels(this.#installation, seat))) return true;
    throw new ProviderError(
      'rejected',
      `The engine has a network ${seatName(seat)} that this installation did not make. Remove it, or its owner's workshop, first.`,
    );
  }

  async #learn(abortSignal: AbortSignal): Promise<void> {
    const networks = await this.#docker.listNetworks({ abortSignal });
    const subnets = networks.flatMap(({ IPAM }) => IPAM?.Config ?? []).map(({ Subnet }) => Subnet ?? '');
    // Where the engine runs elsewhere there are no routes to see; the engine's own list remains.
    const routes = await readFile('/proc/net/route', 'utf8').catch(() => '');
    this.#subnets.learn([...subnets.flatMap(rangeOf), ...parseRoutes(routes)]);
  }
}

/** An IPv6 subnet is nobody's rival. */
function rangeOf(subnet: string): AddressRange[] {
  return subnet === '' || subnet.includes(':') ? [] : [parseCidr(subnet)];
}

/** The same seat asks for the same place, and seats of one workshop for places in a row. */
function hint(seat: SeatId): number {
  let hash = 0;
  for (const character of seat.workshop) hash = (hash * 31 + character.charCodeAt(0)) % 1_000_003;
  return hash * 8 + seat.seat;
}
