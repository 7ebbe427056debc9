import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ProviderError } from '../../provider.ts';
import { Turnstile } from '../../turnstile.ts';
import { parseResolvers } from '../docker/guard-rules.ts';
import { type BridgeAddress, formatIp, parseBridgeAddress } from './addresses.ts';
import {
  type Bridge,
  bridgeOfOthers,
  freeBridge,
  rememberBridge,
  rememberedBridge,
  requireFreeNetwork,
} from './bridge-choice.ts';
import { forgetFirewall, passFirewall } from './host-firewall.ts';
import {
  addPair,
  aliasOf,
  fencePort,
  ipBatch,
  isAbandoned,
  isLink,
  joinBridge,
  removeLink,
  requireTun,
  switchOn,
} from './links.ts';
import { type NetworkSeat, networkRules, type SeatAmounts } from './network-rules.ts';
import { bridgeMarked, preparedName, prepareNat, removeNat, wasPrepared } from './prepared-network.ts';
import type { Rate } from './rates.ts';
import { runProgram } from './run-program.ts';

/** For a machine whose own name server is one that only itself can ask. */
const PUBLIC_RESOLVERS = ['1.1.1.1', '9.9.9.9'];
const KEEP_EVERY_MS = 5_000;

export interface VmNetworkOptions {
  readonly installation: string;
  readonly stateDirectory: string;
  /** Undefined: the first `clarateach<n>` with a network that nobody on this machine uses. */
  readonly bridge: Bridge | undefined;
  /** The mark of the network that set-up has made for these seats' images; undefined to make one's own. */
  readonly prepared?: string;
  /** Bytes that each seat may send, and be sent; left out where the VMM sees to it. */
  readonly rate?: Rate;
  /** What else each seat may take of the host's network; {@link SEAT_AMOUNTS} when left out. */
  readonly amounts?: SeatAmounts;
}

/**
 * The bridge of an installation's microVM seats, their ports of it, and the rules around them. All of it
 * comes with the first seat and goes with the last.
 */
export class VmNetwork {
  readonly #options: VmNetworkOptions;
  /** The name of its nftables tables, and the mark of all that is its own. */
  readonly table: string;
  readonly #ports: string;
  readonly #turnstile = new Turnstile();
  readonly #seats = new Map<string, NetworkSeat>();
  readonly #prepared: string;
  #chosen: Bridge | undefined;
  #keptAt = Number.NEGATIVE_INFINITY;
  /** Ports that an earlier version may have made. */
  readonly #unfenced = new Set<NetworkSeat>();

  constructor(options: VmNetworkOptions) {
    const id = createHash('sha256').update(options.installation).digest('hex');
    this.#options = options;
    this.table = `clarateach-vm-${id.slice(0, 12)}`;
    this.#ports = `ct${id.slice(0, 6)}-`;
    this.#prepared = options.prepared ?? `${this.table}-prepared`;
  }

  /** Seats that ran before this process began. */
  adopt(addresses: Iterable<string>): void {
    for (const address of addresses) {
      const seat = this.seat(address);
      this.#seats.set(address, seat);
      this.#unfenced.add(seat);
    }
  }

  seat(address: string): NetworkSeat {
    return { port: `${this.#ports}${hexOf(address).slice(2).join('')}`, mac: macOf(address), address };
  }

  /** The bridge and its network; chosen once and then kept, so that addresses stay. */
  async bridge(): Promise<Bridge & { readonly network: BridgeAddress }> {
    // One that bears our mark is ours, though whoever made it was killed before it could note that.
    this.#chosen ??=
      this.#options.bridge ??
      (await bridgeMarked(this.table)) ??
      (await rememberedBridge(this.#options.stateDirectory, this.table)) ??
      (await bridgeMarked(this.#prepared)) ??
      (await freeBridge());
    try {
      return { ...this.#chosen, network: parseBridgeAddress(this.#chosen.address) };
    } catch (error) {
      throw new ProviderError('rejected', `BRIDGE_IP is wrong. ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  async resolvers(): Promise<readonly string[]> {
    for (const file of ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf']) {
      const found = parseResolvers(await readFile(file, 'utf8').catch(() => ''));
      if (found.length > 0) return found;
    }
    return PUBLIC_RESOLVERS;
  }

  /**
   * After: the seat's port is on the bridge and fenced in, and its VM may take the other end. Its frames
   * pass under no other name.
   */
  attach(address: string): Promise<NetworkSeat> {
    return this.#turnstile.pass(() =>
      explained(async () => {
        const seat = this.seat(address);
        await requireTun();
        const { name } = await this.#ensureBridge();
        await this.#fenceAdopted();
        await removeLink(seat.port);
        this.#seats.set(address, seat);
        await this.#applyRules(address);
        await addPair(seat.port);
        await joinBridge(seat, name);
        return seat;
      }),
    );
  }

  /** After: the seat has no port, whoever held its other end; without any seat the bridge and all rules are gone. */
  detach(address: string): Promise<void> {
    return this.#turnstile.pass(() =>
      explained(async () => {
        await removeLink(this.seat(address).port);
        const held = this.#seats.delete(address);
        if (this.#seats.size > 0) {
          if (held) await this.#applyRules();
          return;
        }
        await this.#remove();
      }),
    );
  }

  /**
   * After: the bridge and its NAT are there, whoever has the first seat. Undefined when they
   * were there already.
   */
  prepare(): Promise<Bridge | undefined> {
    return this.#turnstile.pass(() =>
      explained(async () => {
        const wanted = this.#options.bridge;
        const ready = wanted?.name ?? (await preparedName(this.#prepared));
        const there = ready !== undefined && (await aliasOf(ready)) !== undefined;
        if (there && (!wanted || (await wasPrepared(this.#prepared, wanted)))) return undefined;
        const { name, address } = await this.#ensureBridge();
        await ipBatch([`link set dev ${name} alias ${this.#prepared}`]);
        await prepareNat(this.#prepared, { name, address });
        return { name, address };
      }),
    );
  }

  /** Takes back {@link prepare}, and names what has gone; seats that run keep the bridge until their end. */
  unprepare(): Promise<readonly string[]> {
    return this.#turnstile.pass(() =>
      explained(async () => {
        const bridge = await bridgeMarked(this.#prepared);
        const nat = await removeNat(this.#prepared);
        if (bridge) await removeLink(bridge.name);
        return [
          ...(bridge ? [`bridge ${bridge.name}`] : []),
          ...(nat ? [`nftables table ${this.#prepared}`] : []),
        ];
      }),
    );
  }

  /** Puts back rules that somebody has flushed, when it is time to look; a look costs 5 ms. */
  keep(): Promise<void> {
    if (performance.now() - this.#keptAt < KEEP_EVERY_MS || this.#seats.size === 0) return Promise.resolve();
    this.#keptAt = performance.now();
    return this.#turnstile.pass(async () => {
      if (this.#seats.size === 0) return;
      // Another process of this installation may have moved the seats to another bridge.
      if ((await aliasOf((await this.bridge()).name)) !== this.table) return;
      await this.#fenceAdopted();
      if ((await hasTable('inet', this.table)) && (await hasTable('bridge', this.table))) {
        await passFirewall((await this.bridge()).name, this.table);
        return;
      }
      await explained(() => this.#applyRules());
    });
  }

  async #ensureBridge(): Promise<Bridge> {
    const { name, address, network } = await this.bridge();
    const alias = await aliasOf(name);
    const prepared = alias === this.#prepared ? await bridgeMarked(this.#prepared) : undefined;
    const abandoned =
      (alias === '' && (await isAbandoned(name))) ||
      (alias === this.#prepared && prepared?.address !== address);
    if (prepared && !abandoned) {
      await ipBatch([`link set dev ${name} alias ${this.table}`]);
    } else if (alias === undefined || abandoned) {
      if (abandoned) await removeLink(name);
      await requireFreeNetwork(network);
      // Without a hardware address of its own a bridge takes that of a port, and changes it as seats come
      // and go: what guests send to the one that they know is then lost until they ask again.
      await ipBatch([
        `link add name ${name} address ${macOf(network.address)} type bridge stp_state 0 forward_delay 0`,
        `link set dev ${name} alias ${this.table}`,
        `address add ${address} dev ${name}`,
      ]);
      await switchOn(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`);
      await ipBatch([`link set dev ${name} up`]);
      await rememberBridge(this.#options.stateDirectory, { name, address });
    } else if (alias !== this.table) {
      throw bridgeOfOthers(name);
    }
    await switchOn('/proc/sys/net/ipv4/ip_forward');
    return { name, address };
  }

  async #fenceAdopted(): Promise<void> {
    for (const seat of this.#unfenced) {
      try {
        await fencePort(seat);
      } catch (error) {
        // It may have ended meanwhile.
        if (await isLink(seat.port)) throw error;
      }
      this.#unfenced.delete(seat);
    }
  }

  async #applyRules(beginning?: string): Promise<void> {
    const { name, network } = await this.bridge();
    const rules = networkRules({
      table: this.table,
      bridge: name,
      ports: this.#ports,
      subnet: `${formatIp(network.first)}/${network.prefix}`,
      seats: [...this.#seats.values()],
      resolvers: await this.resolvers(),
      uid: process.getuid?.() ?? 0,
      rate: this.#options.rate,
      amounts: this.#options.amounts,
      beginning,
    });
    await runProgram('nft', ['-f', '-'], rules);
    await passFirewall((await this.bridge()).name, this.table);
  }

  async #remove(): Promise<void> {
    const { name, address } = await this.bridge();
    if ((await aliasOf(name)) === this.table) {
      if (await wasPrepared(this.#prepared, { name, address }))
        await ipBatch([`link set dev ${name} alias ${this.#prepared}`]);
      else await removeLink(name);
    }
    await forgetFirewall(this.table);
    for (const family of ['inet', 'bridge']) {
      if (await hasTable(family, this.table)) {
        await runProgram('nft', ['-f', '-'], `delete table ${family} ${this.table}\n`);
      }
    }
    // The next first seat chooses anew: meanwhile somebody may have taken the network.
    this.#chosen = undefined;
  }
}

/** The hardware address of whoever has this IPv4 address: locally administered, and unlike any other here. */
function macOf(address: string): string {
  return `02:00:${hexOf(address).join(':')}`;
}

function hexOf(address: string): string[] {
  return address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
}

async function hasTable(family: string, table: string): Promise<boolean> {
  const tables = await runProgram('nft', ['list', 'tables', family]);
  return tables.split('\n').includes(`table ${family} ${table}`);
}

async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    const { message } = error as Error;
    const forbidden = /Operation not permitted|Permission denied/i.test(message);
    throw new ProviderError(
      forbidden ? 'rejected' : 'unreachable',
      forbidden
        ? 'The seats’ network can only be made by root: start the server as root.'
        : `The seat’s network could not be made (${message}). Its files are safe.`,
      { cause: error },
    );
  }
}
