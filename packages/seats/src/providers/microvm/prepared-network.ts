import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { parseBridgeAddress, subnetOf } from './addresses.ts';
import type { Bridge } from './bridge-choice.ts';
import { linksMarked } from './links.ts';
import { runProgram } from './run-program.ts';

/**
 * The name of the nftables table, and the mark on the bridge, that `clarateach microvm setup` makes
 * for whoever has guests from the same images. The first installation that has seats takes the
 * bridge over, and gives it back when it has none.
 */
export function preparedMark(imagesDirectory: string): string {
  const id = createHash('sha256').update(resolve(imagesDirectory)).digest('hex');
  return `clarateach-prepared-${id.slice(0, 12)}`;
}

/** The bridge whose alias is the mark: {@link preparedMark}'s while it is nobody's, else its installation's. */
export async function bridgeMarked(mark: string): Promise<Bridge | undefined> {
  for (const name of await linksMarked((alias) => alias === mark)) {
    const address = await addressOn(name);
    if (address !== undefined) return { name, address };
  }
  return undefined;
}

/** The interface's own address with the prefix of its network; undefined without. */
export async function addressOn(name: string): Promise<string | undefined> {
  const shown = await runProgram('ip', ['-4', '-o', 'address', 'show', 'dev', name]).catch(() => '');
  return /\binet (\S+)/.exec(shown)?.[1];
}

/** Whether this bridge was prepared, by whomever it is used now. */
export async function wasPrepared(mark: string, bridge: Bridge): Promise<boolean> {
  const rules = await runProgram('nft', ['list', 'table', 'inet', mark]).catch(() => '');
  return rules.includes(ruleOf(bridge));
}

/** The name of the bridge that was prepared, by whomever it is used now. */
export async function preparedName(mark: string): Promise<string | undefined> {
  const rules = await runProgram('nft', ['list', 'table', 'inet', mark]).catch(() => '');
  return /oifname != "([^"]+)"/.exec(rules)?.[1];
}

/** The bridge's NAT: what leaves the machine from a seat has the machine's address. */
export async function prepareNat(mark: string, bridge: Bridge): Promise<void> {
  const rules = [
    `table inet ${mark}`,
    `delete table inet ${mark}`,
    `table inet ${mark} {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    `    ${ruleOf(bridge)}`,
    '  }',
    '}',
  ];
  await runProgram('nft', ['-f', '-'], `${rules.join('\n')}\n`);
}

/** False when there was none. */
export async function removeNat(mark: string): Promise<boolean> {
  return runProgram('nft', ['delete', 'table', 'inet', mark]).then(
    () => true,
    () => false,
  );
}

/** As nft words it too. */
function ruleOf({ name, address }: Bridge): string {
  return `ip saddr ${subnetOf(parseBridgeAddress(address))} oifname != "${name}" masquerade`;
}
