/** A seat's network: its own address, the gateway, one seat and room to spare. */
const SEAT_PREFIX = 29;
const SEAT_ADDRESSES = 2 ** (32 - SEAT_PREFIX);

/** A range of IPv4 addresses as numbers, both ends included. */
export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

/** `10.201.0.0/16` as a range; throws a TypeError for anything else. */
export function parseCidr(cidr: string): AddressRange {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  const numbers = match?.slice(1).map(Number) ?? [];
  const [a = 256, b = 256, c = 256, d = 256, prefix = 33] = numbers;
  if (Math.max(a, b, c, d) > 255 || prefix > 32) throw new TypeError(`Not an IPv4 network: ${cidr}`);
  const size = 2 ** (32 - prefix);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const first = address - (address % size);
  return { first, last: first + size - 1 };
}

function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');
}

/** The networks in Linux's /proc/net/route that are more than a default route. */
export function parseRoutes(table: string): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, destination, , , , , , mask] = line.split('\t');
    if (destination === undefined || mask === undefined || /^0+$/.test(mask)) continue;
    const first = littleEndian(destination);
    ranges.push({ first, last: first + (2 ** 32 - 1 - littleEndian(mask)) });
  }
  return ranges;
}

function littleEndian(hex: string): number {
  return Number.parseInt(hex.match(/../g)?.reverse().join('') ?? '', 16);
}

/**
 * Hands out subnets of the pools that nobody uses. What it knows of others can be old: the engine
 * has the last word, and what it refuses is given up with {@link SubnetAllocator.refused}.
 */
export class SubnetAllocator {
  readonly #pools: readonly AddressRange[];
  readonly #claimed = new Map<string, number>();
  readonly #refused = new Set<number>();
  #others: readonly AddressRange[] = [];

  constructor(pools: readonly string[]) {
    this.#pools = pools.map(parseCidr);
  }

  /** Takes in what others use now: networks of the engine and routes of the host. */
  learn(used: readonly AddressRange[]): void {
    this.#others = used;
    this.#refused.clear();
  }

  /**
   * A free subnet, held for `owner` until it is released; undefined when there is none. `hint`
   * spreads owners, so that servers side by side seldom want the same one.
   */
  claim(owner: string, hint: number): string | undefined {
    const held = new Set(this.#claimed.values());
    for (const pool of this.#pools) {
      const slots = Math.floor((pool.last - pool.first + 1) / SEAT_ADDRESSES);
      for (let step = 0; step < slots; step += 1) {
        const first = pool.first + ((hint + step) % slots) * SEAT_ADDRESSES;
        if (held.has(first) || this.#refused.has(first) || this.#isUsed(first)) continue;
        this.#claimed.set(owner, first);
        return `${formatAddress(first)}/${SEAT_PREFIX}`;
      }
    }
    return undefined;
  }

  /** The engine would not have the owner's subnet: somebody else has it. */
  refused(owner: string): void {
    const first = this.#claimed.get(owner);
    if (first !== undefined) this.#refused.add(first);
    this.#claimed.delete(owner);
  }

  release(owner: string): void {
    this.#claimed.delete(owner);
  }

  #isUsed(first: number): boolean {
    const last = first + SEAT_ADDRESSES - 1;
    return this.#others.some((range) => range.first <= last && range.last >= first);
  }
}
