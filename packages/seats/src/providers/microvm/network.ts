import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ProviderError } from '../../provider.ts';
import { Turnstile } from '../../turnstile.ts';
import { parseResolvers } from '../docker/guard-rules.ts';
import { type BridgeAddress, hexOf, macOf, parseBridgeAddress, subnetOf } from './addresses.ts';
import { type Bridge, NetworkTaken } from './bridge-choice.ts';
import { forgetFirewall, hasTable, passFirewall, whatShutsOff } from './host-firewall.ts';
import {
  addPair,
  aliasOf,
  fencePort,
  IP_FORWARD,
  ipBatch,
  isLink,
  joinBridge,
  linksMarked,
  removeLink,
  requireTun,
  switchOn,
} from './links.ts';
import { withNetworkLock } from './network-lock.ts';
import { type NetworkSeat, networkRules, type SeatAmounts } from './network-rules.ts';
import { type BridgeMarks, chooseBridge, ensureBridge, leaveBridges, pinAddress } from './own-bridge.ts';
import { bridgeMarked, preparedName, prepareNat, removeNat, wasPrepared } from './prepared-network.ts';
import type { Rate } from './rates.ts';
import { runProgram } from './run-program.ts';

/** For a machine whose own name server is one that only itself can ask. */
const PUBLIC_RESOLVERS = ['1.1.1.1', '9.9.9.9'];
/** What the tables and marks of all installations begin with. */
const TABLES = 'clarateach-vm-';
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
  /** Told, in a sentence for operators, what goes worse than it should. */
  readonly report?: (line: string) => void;
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
  readonly #marks: BridgeMarks;
  #chosen: Bridge | undefined;
  #keptAt = Number.NEGATIVE_INFINITY;
  /** What was said of the host's firewall. */
  #shut: string | undefined;
  #fault: string | undefined;
  /** Ports that an earlier version may have made. */
  readonly #unfenced = new Set<NetworkSeat>();

  constructor(options: VmNetworkOptions) {
    const id = createHash('sha256').update(options.installation).digest('hex');
    this.#options = options;
    this.table = `${TABLES}${id.slice(0, 12)}`;
    this.#ports = `ct${id.slice(0, 6)}-`;
    this.#marks = { own: this.table, prepared: options.prepared ?? `${this.table}-prepared` };
  }

  /** Seats that ran before this process began. */
  adopt(addresses: Iterable<string>): void {
    this.#chosen = undefined;
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
    const { bridge: wanted, stateDirectory, report } = this.#options;
    this.#chosen ??= await chooseBridge({
      ...{ wanted, stateDirectory, report, marks: this.#marks },
      isUsed: this.#seats.size > 0,
    });
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
        const ready = wanted?.name ?? (await preparedName(this.#marks.prepared));
        const there = ready !== undefined && (await aliasOf(ready)) !== undefined;
        if (there && (!wanted || (await wasPrepared(this.#marks.prepared, wanted)))) return undefined;
        const { name, address } = await this.#ensureBridge();
        await ipBatch([`link set dev ${name} alias ${this.#marks.prepared}`]);
        await prepareNat(this.#marks.prepared, { name, address });
        return { name, address };
      }),
    );
  }

  /** Takes back {@link prepare}, and names what has gone; seats that run keep the bridge until their end. */
  unprepare(): Promise<readonly string[]> {
    return this.#turnstile.pass(() =>
      explained(async () => {
        const nat = await removeNat(this.#marks.prepared);
        const bridge = await withNetworkLock(async () => {
          const free = await bridgeMarked(this.#marks.prepared);
          if (free) await removeLink(free.name);
          return free;
        });
        return [
          ...(bridge ? [`bridge ${bridge.name}`] : []),
          ...(nat ? [`nftables table ${this.#marks.prepared}`] : []),
        ];
      }),
    );
  }

  /**
   * Puts back what somebody has flushed or switched off, when it is time to look; a look costs 5 ms. A
   * failure is reported, once, and tried again at the next look.
   */
  async keep(): Promise<void> {
    if (performance.now() - this.#keptAt < KEEP_EVERY_MS || this.#seats.size === 0) return;
    this.#keptAt = performance.now();
    try {
      await this.#turnstile.pass(() => this.#putBack());
      this.#fault = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (message !== this.#fault)
        this.#options.report?.(`The seats’ network could not be looked after: ${message}`);
      this.#fault = message;
    }
  }

  async #putBack(): Promise<void> {
    if (this.#seats.size === 0) return;
    const { name } = await this.bridge();
    // Another process of this installation may have moved the seats to another bridge.
    if ((await aliasOf(name)) !== this.table) return;
    // What keeps seats apart comes first: nothing that fails after it leaves them open.
    if ((await hasTable('inet', this.table)) && (await hasTable('bridge', this.table))) {
      await passFirewall(name, this.table);
    } else {
      await this.#applyRules();
    }
    await this.#fenceAdopted();
    await pinAddress(name);
    await switchOn(IP_FORWARD);
    await this.#lookAtFirewall();
  }

  /** Says it once, and again when it changes. */
  async #lookAtFirewall(): Promise<void> {
    const { name, network } = await this.bridge();
    const shut = await whatShutsOff(name, subnetOf(network));
    if (shut !== undefined && shut !== this.#shut) this.#options.report?.(shut);
    this.#shut = shut;
  }

  async #ensureBridge(): Promise<Bridge> {
    const bridge = await this.bridge();
    try {
      if (this.#seats.size === 0) await leaveBridges(this.#marks, bridge);
      await ensureBridge(bridge, this.#marks, this.#options.stateDirectory);
    } catch (error) {
      if (this.#options.bridge !== undefined || !(error instanceof NetworkTaken)) throw error;
      // Somebody was quicker to take what was free. A seat's address is of the network that it was chosen for.
      this.#chosen = undefined;
      throw new ProviderError(
        'unreachable',
        `The network ${bridge.address} that was chosen for the seats has been taken meanwhile. The next try chooses another.`,
        { cause: error },
      );
    }
    await switchOn(IP_FORWARD);
    return bridge;
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
      subnet: subnetOf(network),
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
    await leaveBridges(this.#marks);
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

/** The bridges of all installations of this machine that have seats. */
export async function seatBridges(): Promise<string[]> {
  return linksMarked((alias) => alias.startsWith(TABLES));
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
