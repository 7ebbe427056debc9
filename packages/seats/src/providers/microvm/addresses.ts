import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSeatName, type SeatId, seatName } from '@clarateach/contract/ids';
import { ProviderError } from '../../provider.ts';
import { parseCidr } from '../docker/subnets.ts';

/** Seat 1 gets `.11`: what is below is the host's and the operator's. */
const FIRST = 11;

/** A bridge's own address with the length of its network's prefix. */
export interface BridgeAddress {
  readonly address: string;
  readonly prefix: number;
  readonly first: number;
  readonly last: number;
}

/** `192.168.100.1/24` as an address within its network; throws a TypeError for anything else. */
export function parseBridgeAddress(text: string): BridgeAddress {
  const { first, last } = parseCidr(text);
  const [address = '', prefix = ''] = text.split('/');
  if (last - first < 15)
    throw new TypeError(`${text} has no room for seats: give a network of /28 or larger.`);
  return { address, prefix: Number(prefix), first, last };
}

export function formatIp(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** As `192.168.100.0/24`. */
export function subnetOf({ first, prefix }: BridgeAddress): string {
  return `${formatIp(first)}/${prefix}`;
}

/** The hardware address of whoever has this IPv4 address: locally administered, and unlike any other here. */
export function macOf(address: string): string {
  return `02:00:${hexOf(address).join(':')}`;
}

/** Its bytes, of two digits each. */
export function hexOf(address: string): string[] {
  return address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
}

/**
 * Which seat has which address: a link from each address in use to its seat's name. A link is made
 * whole or not at all and only where there is none, so that no two seats get the same address,
 * however many processes ask and whenever one of them dies.
 */
export class Addresses {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * An address for what is no seat, from the end of the network: `.11` and so on are the seats'. Every
   * call gives another one.
   */
  async claimFor(owner: string, bridge: BridgeAddress): Promise<string> {
    await mkdir(this.#directory, { recursive: true });
    for (let n = bridge.last - 1; n >= bridge.first + FIRST; n -= 1) {
      const address = formatIp(n);
      if (address !== bridge.address && (await this.#link(owner, address))) return address;
    }
    throw full(bridge);
  }

  /** After: the address is the seat's, whose ever it was before, and was somebody's at every moment. */
  async give(address: string, seat: SeatId): Promise<void> {
    const next = join(this.#directory, `.${address}`);
    await rm(next, { force: true });
    await symlink(seatName(seat), next);
    await rename(next, join(this.#directory, address));
  }

  /** After: the address is not that owner's; one that it has given away stays where it is. */
  async releaseFrom(owner: string, address: string): Promise<void> {
    if ((await this.all()).get(address) === owner) await rm(join(this.#directory, address), { force: true });
  }

  async #link(owner: string, address: string): Promise<boolean> {
    try {
      await symlink(owner, join(this.#directory, address));
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return false;
    }
  }

  /** The seat's address; it keeps it until it is released. Seat n is given `.10 + n` where that is free. */
  async claim(seat: SeatId, bridge: BridgeAddress): Promise<string> {
    await mkdir(this.#directory, { recursive: true });
    const name = seatName(seat);
    const all = await this.all();
    const range: number[] = [];
    for (let n = bridge.first + FIRST; n < bridge.last; n += 1) range.push(n);
    const usable = new Set(range.map(formatIp));
    usable.delete(bridge.address);
    for (const [address, owner] of all) {
      if (owner !== name) continue;
      if (usable.has(address)) return address;
      // Of a network that the operator has left.
      await rm(join(this.#directory, address), { force: true });
    }
    const preferred = formatIp(bridge.first + FIRST + seat.seat - 1);
    for (const address of [preferred, ...usable]) {
      if (!usable.has(address) || all.has(address)) continue;
      if (await this.#link(name, address)) return address;
    }
    throw full(bridge);
  }

  async release(seat: SeatId): Promise<void> {
    const name = seatName(seat);
    for (const [address, owner] of await this.all()) {
      if (owner === name) await rm(join(this.#directory, address), { force: true });
    }
  }

  async of(seat: SeatId): Promise<string | undefined> {
    const name = seatName(seat);
    for (const [address, owner] of await this.all()) if (owner === name) return address;
    return undefined;
  }

  async owners(): Promise<readonly SeatId[]> {
    return [...(await this.all()).values()].map(parseSeatName).filter((seat) => seat !== undefined);
  }

  /** Address → name of the seat. */
  async all(): Promise<ReadonlyMap<string, string>> {
    const names = await readdir(this.#directory).catch((): string[] => []);
    // One that is being given to a seat has two links for a moment.
    const addresses = names.filter((name) => !name.startsWith('.'));
    const owners = await Promise.all(
      addresses.map((address) => readlink(join(this.#directory, address)).catch(() => undefined)),
    );
    const all = new Map<string, string>();
    for (const [index, address] of addresses.entries()) {
      const owner = owners[index];
      if (owner !== undefined) all.set(address, owner);
    }
    return all;
  }
}

function full({ address, prefix }: BridgeAddress): ProviderError {
  return new ProviderError(
    'capacity',
    `All addresses of the seats' network ${address}/${prefix} are in use. Stop a workshop, or set a larger network in BRIDGE_IP.`,
  );
}
