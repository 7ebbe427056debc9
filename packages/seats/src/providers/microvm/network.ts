import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderError } from '../../provider.ts';
import { Turnstile } from '../../turnstile.ts';
import { parseResolvers } from '../docker/guard-rules.ts';
import { parseRoutes } from '../docker/subnets.ts';
import { type BridgeAddress, formatIp, parseBridgeAddress } from './addresses.ts';
import { type NetworkSeat, networkRules } from './network-rules.ts';
import { bridgeMarked, preparedName, prepareNat, removeNat, wasPrepared } from './prepared-network.ts';
import type { Rate } from './rates.ts';
import { ProgramFailed, runProgram } from './run-program.ts';

const CHOSEN = 'network.json';
/** How many bridges are looked at for one that is free: clarateach0, 192.168.100.1/24 and so on. */
const CHOICES = 100;
/** For a machine whose own name server is one that only itself can ask. */
const PUBLIC_RESOLVERS = ['1.1.1.1', '9.9.9.9'];
const KEEP_EVERY_MS = 5_000;

export interface Bridge {
  readonly name: string;
  /** The host's address on it with the prefix of its network, as `192.168.100.1/24`. */
  readonly address: string;
}

export interface VmNetworkOptions {
  readonly installation: string;
  readonly stateDirectory: string;
  /** Undefined: the first `clarateach<n>` with a network that nobody on this machine uses. */
  readonly bridge: Bridge | undefined;
  /** The mark of the network that set-up has made for these seats' images; undefined to make one's own. */
  readonly prepared?: string;
  /** Bytes that each seat may send, and be sent; left out where the VMM sees to it. */
  readonly rate?: Rate;
}

/**
 * The bridge of an installation's microVM seats, their taps, and the rules around them. All of it
 * comes with the first seat and goes with the last.
 */
export class VmNetwork {
  readonly #options: VmNetworkOptions;
  /** The name of its nftables tables, and the mark of all that is its own. */
  readonly table: string;
  readonly #taps: string;
  readonly #turnstile = new Turnstile();
  readonly #seats = new Map<string, NetworkSeat>();
  readonly #prepared: string;
  #chosen: Bridge | undefined;
  #keptAt = 0;

  constructor(options: VmNetworkOptions) {
    const id = createHash('sha256').update(options.installation).digest('hex');
    this.#options = options;
    this.table = `clarateach-vm-${id.slice(0, 12)}`;
    this.#taps = `ct${id.slice(0, 6)}-`;
    this.#prepared = options.prepared ?? `${this.table}-prepared`;
  }

  /** Seats that ran before this process began. */
  adopt(addresses: Iterable<string>): void {
    for (const address of addresses) this.#seats.set(address, this.seat(address));
  }

  seat(address: string): NetworkSeat {
    const bytes = address.split('.').map(Number);
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0'));
    return { tap: `${this.#taps}${hex.slice(2).join('')}`, mac: `02:00:${hex.join(':')}`, address };
  }

  /** The bridge and its network; chosen once and then kept, so that addresses stay. */
  async bridge(): Promise<Bridge & { readonly network: BridgeAddress }> {
    // One that bears our mark is ours, though whoever made it was killed before it could note that.
    this.#chosen ??=
      this.#options.bridge ??
      (await bridgeMarked(this.table)) ??
      (await this.#remembered()) ??
      (await this.#choose());
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

  /** After: the seat's tap is on the bridge and fenced in. Its frames pass under no other name. */
  attach(address: string, uid: number): Promise<NetworkSeat> {
    return this.#turnstile.pass(() =>
      explained(async () => {
        const seat = this.seat(address);
        await requireTun();
        const { name } = await this.#ensureBridge();
        await removeLink(seat.tap);
        this.#seats.set(address, seat);
        await this.#applyRules();
        await ipBatch([
          `tuntap add dev ${seat.tap} mode tap user ${uid}`,
          `link set dev ${seat.tap} master ${name}`,
          `link set dev ${seat.tap} type bridge_slave isolated on`,
          `link set dev ${seat.tap} up`,
        ]);
        return seat;
      }),
    );
  }

  /** After: the seat has no tap; without any seat the bridge and all rules are gone. */
  detach(address: string): Promise<void> {
    return this.#turnstile.pass(() =>
      explained(async () => {
        await removeLink(this.seat(address).tap);
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
      if ((await hasTable('inet', this.table)) && (await hasTable('bridge', this.table))) {
        await this.#passFirewall();
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
      await this.#requireFreeNetwork(network);
      await ipBatch([
        `link add name ${name} type bridge stp_state 0 forward_delay 0`,
        `link set dev ${name} alias ${this.table}`,
        `address add ${address} dev ${name}`,
      ]);
      await switchOn(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`);
      await ipBatch([`link set dev ${name} up`]);
      await mkdir(this.#options.stateDirectory, { recursive: true });
      await writeFile(join(this.#options.stateDirectory, CHOSEN), JSON.stringify({ name, address }));
    } else if (alias !== this.table) {
      throw new ProviderError(
        'rejected',
        `The network interface ${name} belongs to somebody else. Give the seats a bridge of their own with BRIDGE_NAME, and a network with BRIDGE_IP.`,
      );
    }
    await switchOn('/proc/sys/net/ipv4/ip_forward');
    return { name, address };
  }

  async #requireFreeNetwork(network: BridgeAddress): Promise<void> {
    if (!(await usedRanges()).some((used) => used.first <= network.last && used.last >= network.first))
      return;
    throw new ProviderError(
      'rejected',
      `The network ${network.address}/${network.prefix} is in use on this machine. Give the seats another with BRIDGE_IP, such as 192.168.150.1/24.`,
    );
  }

  async #applyRules(): Promise<void> {
    const { name, network } = await this.bridge();
    const rules = networkRules({
      table: this.table,
      bridge: name,
      taps: this.#taps,
      subnet: `${formatIp(network.first)}/${network.prefix}`,
      seats: [...this.#seats.values()],
      resolvers: await this.resolvers(),
      uid: process.getuid?.() ?? 0,
      rate: this.#options.rate,
    });
    await runProgram('nft', ['-f', '-'], rules);
    await this.#passFirewall();
  }

  /**
   * A firewall that forwards nothing by itself, such as Docker's, must let the seats' packets pass;
   * what they may not reach is dropped before it is asked.
   */
  async #passFirewall(): Promise<void> {
    const { name } = await this.bridge();
    const chain = await forwardChain();
    if (chain === undefined) return;
    const note = ['-m', 'comment', '--comment', this.table, '-j', 'ACCEPT'];
    for (const match of [
      ['-i', name],
      ['-o', name, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED'],
    ]) {
      const there = await iptables(['-C', chain, ...match, ...note]);
      if (!there) await iptables(['-I', chain, ...match, ...note]);
    }
  }

  /** All that bear the mark, whatever bridge they were for. */
  async #forgetFirewall(): Promise<void> {
    const chain = await forwardChain();
    if (chain === undefined) return;
    const rules = await runProgram('iptables', ['-w', '-S', chain]).catch(() => '');
    for (const rule of rules.split('\n')) {
      const [append, ...rest] = rule.split(' ');
      if (append === '-A' && rest.includes(this.table)) await iptables(['-D', ...rest]);
    }
  }

  async #remove(): Promise<void> {
    const { name, address } = await this.bridge();
    if ((await aliasOf(name)) === this.table) {
      if (await wasPrepared(this.#prepared, { name, address }))
        await ipBatch([`link set dev ${name} alias ${this.#prepared}`]);
      else await removeLink(name);
    }
    await this.#forgetFirewall();
    for (const family of ['inet', 'bridge']) {
      if (await hasTable(family, this.table)) {
        await runProgram('nft', ['-f', '-'], `delete table ${family} ${this.table}\n`);
      }
    }
    // The next first seat chooses anew: meanwhile somebody may have taken the network.
    this.#chosen = undefined;
  }

  /** The bridge of the last time, if it is there still or its network is free. */
  async #remembered(): Promise<Bridge | undefined> {
    try {
      const text = await readFile(join(this.#options.stateDirectory, CHOSEN), 'utf8');
      const bridge = JSON.parse(text) as Bridge;
      const alias = await aliasOf(bridge.name);
      if (alias === this.table) return bridge;
      await this.#requireFreeNetwork(parseBridgeAddress(bridge.address));
      return alias === undefined ? bridge : undefined;
    } catch {
      return undefined;
    }
  }

  async #choose(): Promise<Bridge> {
    const prepared = await bridgeMarked(this.#prepared);
    if (prepared) return prepared;
    const used = await usedRanges();
    for (let n = 0; n < CHOICES; n += 1) {
      const name = `clarateach${n}`;
      const address = `192.168.${100 + n}.1/24`;
      const { first, last } = parseBridgeAddress(address);
      if (used.some((range) => range.first <= last && range.last >= first)) continue;
      const alias = await aliasOf(name);
      if (alias === undefined || (alias === '' && (await isAbandoned(name)))) return { name, address };
    }
    throw new ProviderError(
      'rejected',
      'No network is free for the seats. Name one with BRIDGE_NAME and BRIDGE_IP, such as 10.77.0.1/24.',
    );
  }
}

async function requireTun(): Promise<void> {
  await access('/dev/net/tun').catch((cause: unknown) => {
    throw new ProviderError(
      'rejected',
      'This machine has no /dev/net/tun, which microVMs need for their network. Load the driver with `modprobe tun`; in a container, give it the device.',
      { cause },
    );
  });
}

async function usedRanges() {
  return parseRoutes(await readFile('/proc/net/route', 'utf8'));
}

/** The interface's alias, which says whose it is: empty for none; undefined without the interface. */
async function aliasOf(name: string): Promise<string | undefined> {
  return readFile(`/sys/class/net/${name}/ifalias`, 'utf8').then(
    (text) => text.trim(),
    () => undefined,
  );
}

/** A bridge that was made and nothing more: whoever made it was killed before it could say whose it is. */
async function isAbandoned(name: string): Promise<boolean> {
  const [flags, ports] = await Promise.all([
    readFile(`/sys/class/net/${name}/flags`, 'utf8').catch(() => '0x1'),
    readdir(`/sys/class/net/${name}/brif`).catch(() => undefined),
  ]);
  const isUp = (Number(flags) & 1) === 1;
  return !isUp && ports?.length === 0;
}

async function removeLink(name: string): Promise<void> {
  const exists = await access(`/sys/class/net/${name}`).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  try {
    await runProgram('ip', ['link', 'delete', 'dev', name]);
  } catch (error) {
    if (!(error instanceof ProgramFailed && /Cannot find device/.test(error.said))) throw error;
  }
}

function ipBatch(lines: readonly string[]): Promise<string> {
  return runProgram('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}

async function hasTable(family: string, table: string): Promise<boolean> {
  const tables = await runProgram('nft', ['list', 'tables', family]);
  return tables.split('\n').includes(`table ${family} ${table}`);
}

/** Where the host's firewall asks before it drops what it does not know; undefined when it drops nothing. */
async function forwardChain(): Promise<string | undefined> {
  const rules = await runProgram('iptables', ['-w', '-S', 'FORWARD']).catch(() => '');
  if (/-j DOCKER-USER\b/.test(rules)) return 'DOCKER-USER';
  return /^-P FORWARD DROP/m.test(rules) ? 'FORWARD' : undefined;
}

async function iptables(args: readonly string[]): Promise<boolean> {
  return runProgram('iptables', ['-w', ...args]).then(
    () => true,
    () => false,
  );
}

async function switchOn(file: string): Promise<void> {
  const value = await readFile(file, 'utf8').catch(() => undefined);
  if (value === undefined || value.trim() === '1') return;
  await writeFile(file, '1');
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
