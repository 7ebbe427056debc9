import { readFile } from 'node:fs/promises';
import { type BridgeAddress, macOf } from './addresses.ts';
import {
  type Bridge,
  bridgeOfOthers,
  freeBridge,
  rememberBridge,
  rememberedBridge,
  requireFreeNetwork,
} from './bridge-choice.ts';
import { aliasOf, ipBatch, isAbandoned, linksMarked, removeLink, switchOn } from './links.ts';
import { withNetworkLock } from './network-lock.ts';
import { addressOn, bridgeMarked, wasPrepared } from './prepared-network.ts';

/** What a bridge of an installation is known by. */
export interface BridgeMarks {
  /** The installation's own, while it has the bridge. */
  readonly own: string;
  /** That of a bridge which set-up has made, while nobody has it. */
  readonly prepared: string;
}

/**
 * Which bridge an installation takes: that which the operator wants, or the one that it had, or has been
 * prepared, or else one that nobody uses. `isUsed` where seats run on the one that it has.
 */
export async function chooseBridge(options: {
  readonly wanted: Bridge | undefined;
  readonly marks: BridgeMarks;
  readonly stateDirectory: string;
  readonly isUsed: boolean;
  readonly report: ((line: string) => void) | undefined;
}): Promise<Bridge> {
  const { wanted, marks, stateDirectory, isUsed, report } = options;
  // One that bears the mark is its own, though whoever made it was killed before it could note that.
  const held = await bridgeMarked(marks.own);
  if (wanted === undefined) {
    return (
      held ??
      (await rememberedBridge(stateDirectory, marks.own)) ??
      (await bridgeMarked(marks.prepared)) ??
      (await freeBridge())
    );
  }
  if (held === undefined || !isUsed) return wanted;
  // What fences in the seats that run stands and falls with the bridge that they are on.
  if (held.name !== wanted.name || held.address !== wanted.address) {
    report?.(
      `the seats’ network stays ${held.name} (${held.address}) while seats run on it; ${wanted.name} (${wanted.address}), as BRIDGE_NAME and BRIDGE_IP say, comes with the first seat after the last of them has ended`,
    );
  }
  return held;
}

/**
 * After: the bridge is there and up, is this installation's, and keeps its hardware address. Throws
 * {@link NetworkTaken} where it, or its network, is somebody else's. `stateDirectory` remembers it.
 */
export async function ensureBridge(
  bridge: Bridge & { readonly network: BridgeAddress },
  marks: BridgeMarks,
  stateDirectory: string,
): Promise<void> {
  if ((await aliasOf(bridge.name)) !== marks.own)
    await withNetworkLock(() => makeBridge(bridge, marks, stateDirectory));
  await pinAddress(bridge.name);
}

async function makeBridge(
  { name, address, network }: Bridge & { readonly network: BridgeAddress },
  marks: BridgeMarks,
  stateDirectory: string,
): Promise<void> {
  const alias = await aliasOf(name);
  const prepared = alias === marks.prepared ? await bridgeMarked(marks.prepared) : undefined;
  const abandoned =
    (alias === '' && (await isAbandoned(name))) ||
    (alias === marks.prepared && prepared?.address !== address);
  if (prepared && !abandoned) {
    await ipBatch([`link set dev ${name} alias ${marks.own}`]);
    return;
  }
  if (alias !== undefined && !abandoned) throw bridgeOfOthers(name);
  if (abandoned) await removeLink(name);
  await requireFreeNetwork(network);
  await ipBatch([
    `link add name ${name} address ${macOf(network.address)} type bridge stp_state 0 forward_delay 0`,
    `link set dev ${name} alias ${marks.own}`,
    `address add ${address} dev ${name}`,
  ]);
  await switchOn(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`);
  await ipBatch([`link set dev ${name} up`]);
  await rememberBridge(stateDirectory, { name, address });
}

/** As the kernel says that somebody has set a hardware address. */
const WAS_SET = '3';

/**
 * Without a hardware address of its own a bridge takes that of a port, and changes it as seats come and
 * go: what guests send to the one that they know is then lost until they ask again. One that was made
 * without keeps what it has, which its guests know.
 */
export async function pinAddress(name: string): Promise<void> {
  const of = (what: string) => readFile(`/sys/class/net/${name}/${what}`, 'utf8').then((text) => text.trim());
  if ((await of('addr_assign_type')) === WAS_SET) return;
  await ipBatch([`link set dev ${name} address ${await of('address')}`]);
}

/**
 * After: the installation has no bridge but the one that is excepted, if it has that; one that was
 * prepared is there for the next.
 */
export async function leaveBridges(marks: BridgeMarks, except?: Bridge): Promise<void> {
  for (const name of await linksMarked((alias) => alias === marks.own)) {
    const address = await addressOn(name);
    if (name === except?.name && address === except.address) continue;
    const stays = address !== undefined && (await wasPrepared(marks.prepared, { name, address }));
    if (stays) await ipBatch([`link set dev ${name} alias ${marks.prepared}`]);
    else await removeLink(name);
  }
}
