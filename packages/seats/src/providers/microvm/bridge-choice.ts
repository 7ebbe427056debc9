import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderError } from '../../provider.ts';
import { parseRoutes } from '../docker/subnets.ts';
import { type BridgeAddress, parseBridgeAddress } from './addresses.ts';
import { aliasOf, isAbandoned, requireTun } from './links.ts';

const CHOSEN = 'network.json';
/** How many bridges are looked at for one that is free: clarateach0, 192.168.100.1/24 and so on. */
const CHOICES = 100;

export interface Bridge {
  readonly name: string;
  /** The host's address on it with the prefix of its network, as `192.168.100.1/24`. */
  readonly address: string;
}

/** The bridge that is asked for, or its range of addresses, is somebody else's. */
export class NetworkTaken extends ProviderError {
  constructor(message: string) {
    super('rejected', message);
  }
}

/** The bridge of the last time, if it is there still or its network is free. */
export async function rememberedBridge(stateDirectory: string, mark: string): Promise<Bridge | undefined> {
  try {
    const text = await readFile(join(stateDirectory, CHOSEN), 'utf8');
    const bridge = JSON.parse(text) as Bridge;
    const alias = await aliasOf(bridge.name);
    if (alias === mark) return bridge;
    await requireFreeNetwork(parseBridgeAddress(bridge.address));
    return alias === undefined ? bridge : undefined;
  } catch {
    return undefined;
  }
}

/** For {@link rememberedBridge}. */
export async function rememberBridge(stateDirectory: string, { name, address }: Bridge): Promise<void> {
  await mkdir(stateDirectory, { recursive: true });
  await writeFile(join(stateDirectory, CHOSEN), JSON.stringify({ name, address }));
}

/** The first that nobody uses. */
export async function freeBridge(): Promise<Bridge> {
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

/**
 * Throws a ProviderError `rejected` where seats could have no network here: without a driver for it, or
 * because the bridge that is asked for, or its range of addresses, is somebody else's. Changes nothing.
 */
export async function requireUsableNetwork(bridge: Bridge | undefined): Promise<void> {
  await requireTun();
  if (bridge === undefined) return;
  const alias = await aliasOf(bridge.name);
  if (alias === undefined || (alias === '' && (await isAbandoned(bridge.name)))) {
    // Seats of ours may be on a bridge that was asked for earlier, until the last of them has ended.
    await requireFreeNetwork(parseBridgeAddress(bridge.address), isOurs);
  } else if (!isOurs(alias)) throw bridgeOfOthers(bridge.name);
}

export function bridgeOfOthers(name: string): NetworkTaken {
  return new NetworkTaken(
    `The network interface ${name} belongs to somebody else. Give the seats a bridge of their own with BRIDGE_NAME, and a network with BRIDGE_IP.`,
  );
}

/** Whether an alias is that of some installation, or of set-up. */
const isOurs = (alias: string) => alias.startsWith('clarateach-');

/** Throws a {@link NetworkTaken} where this machine uses any of it; interfaces with such an alias may. */
export async function requireFreeNetwork(
  network: BridgeAddress,
  mayUse: (alias: string) => boolean = () => false,
): Promise<void> {
  const used = await usedRanges(mayUse);
  if (!used.some(({ first, last }) => first <= network.last && last >= network.first)) return;
  throw new NetworkTaken(
    `The network ${network.address}/${network.prefix} is in use on this machine. Give the seats another with BRIDGE_IP, such as 192.168.150.1/24.`,
  );
}

async function usedRanges(mayUse: (alias: string) => boolean = () => false) {
  const [head = '', ...routes] = (await readFile('/proc/net/route', 'utf8')).split('\n');
  const aliases = await Promise.all(routes.map((route) => aliasOf(route.split('\t')[0] ?? '')));
  return parseRoutes([head, ...routes.filter((_, index) => !mayUse(aliases[index] ?? ''))].join('\n'));
}
