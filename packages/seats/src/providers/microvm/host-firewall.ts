import { runProgram } from './run-program.ts';

/**
 * A firewall that forwards nothing by itself, such as Docker's, must let the seats' packets pass;
 * what they may not reach is dropped before it is asked. `mark` says whose rules these are.
 */
export async function passFirewall(name: string, mark: string): Promise<void> {
  const chain = await forwardChain();
  if (chain === undefined) return;
  const note = ['-m', 'comment', '--comment', mark, '-j', 'ACCEPT'];
  for (const match of [
    ['-i', name],
    ['-o', name, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED'],
  ]) {
    const there = await iptables(['-C', chain, ...match, ...note]);
    if (!there) await iptables(['-I', chain, ...match, ...note]);
  }
}

/** All that bear the mark, whatever bridge they were for. */
export async function forgetFirewall(mark: string): Promise<void> {
  const chain = await forwardChain();
  if (chain === undefined) return;
  const rules = await runProgram('iptables', ['-w', '-S', chain]).catch(() => '');
  for (const rule of rules.split('\n')) {
    const [append, ...rest] = rule.split(' ');
    if (append === '-A' && rest.includes(mark)) await iptables(['-D', ...rest]);
  }
}

/** Where the host's firewall asks before it drops what it does not know; undefined when it drops nothing. */
async function forwardChain(): Promise<string | undefined> {
  const rules = await runProgram('iptables', ['-w', '-S', 'FORWARD']).catch(() => '');
  if (/-j DOCKER-USER\b/.test(rules)) return 'DOCKER-USER';
  return /^-P FORWARD DROP|^-A FORWARD -j (DROP|REJECT)\b/m.test(rules) ? 'FORWARD' : undefined;
}

async function iptables(args: readonly string[]): Promise<boolean> {
  return runProgram('iptables', ['-w', ...args]).then(
    () => true,
    () => false,
  );
}

export async function hasTable(family: string, table: string): Promise<boolean> {
  const tables = await runProgram('nft', ['list', 'tables', family]);
  return tables.split('\n').includes(`table ${family} ${table}`);
}

interface NftChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type?: string;
  readonly hook?: string;
  readonly policy?: string;
}

interface NftRule {
  readonly expr: readonly Readonly<Record<string, unknown>>[];
}

interface NftList {
  readonly nftables: readonly { readonly chain?: NftChain; readonly rule?: NftRule }[];
}

/**
 * What shuts the seats off from the internet though our rules let them pass, in a sentence for operators:
 * what one chain accepts another still drops, and that is not ours to open. Undefined when nothing does.
 */
export async function whatShutsOff(bridge: string, subnet: string): Promise<string | undefined> {
  const chain = await chainThatShuts(bridge, subnet);
  return chain === undefined
    ? undefined
    : `this machine’s firewall (nftables: ${chain}) drops what seats send to the internet. Let through there what comes in by ${bridge}, and answers that go out by it; with firewalld: firewall-cmd --permanent --zone=trusted --add-interface=${bridge} && firewall-cmd --reload`;
}

/** A chain that ends with dropping what it does not know, and does not know the bridge. */
async function chainThatShuts(bridge: string, subnet: string): Promise<string | undefined> {
  const { nftables } = await listed(['list', 'chains']);
  for (const { chain } of nftables) {
    if (chain?.hook !== 'forward' || chain.type !== 'filter' || !['ip', 'inet'].includes(chain.family))
      continue;
    const { family, table, name } = chain;
    // Ours, and that which is opened by iptables.
    if (table.startsWith('clarateach-') || `${family} ${table} ${name}` === 'ip filter FORWARD') continue;
    if (chain.policy !== 'drop' && !(await endsShut(chain))) continue;
    if (!(await mentions(`${family} ${table}`, bridge, subnet)))
      return `table ${family} ${table}, chain ${name}`;
  }
  return undefined;
}

/** Whether its last rule drops all that has come so far. */
async function endsShut({ family, table, name }: NftChain): Promise<boolean> {
  const { nftables } = await listed(['list', 'chain', family, table, name]);
  const last = nftables.flatMap(({ rule }) => (rule === undefined ? [] : [rule])).at(-1);
  const does = last?.expr
    .flatMap((each) => Object.keys(each))
    .filter((what) => !['counter', 'log'].includes(what));
  return does?.length === 1 && ['drop', 'reject'].includes(does[0] ?? '');
}

/** Whether a table has rules for the bridge, by its name or its network; what they say is the operator's affair. */
async function mentions(table: string, bridge: string, subnet: string): Promise<boolean> {
  const text = await runProgram('nft', ['-t', 'list', 'table', ...table.split(' ')]).catch(() => '');
  if (text.includes(` ${subnet} `)) return true;
  return [...text.matchAll(/"([^"\s]+)"/g)].some(([, name = '']) =>
    name.endsWith('*') ? bridge.startsWith(name.slice(0, -1)) : name === bridge,
  );
}

/** Nothing where nft was built without it. */
async function listed(what: readonly string[]): Promise<NftList> {
  const text = await runProgram('nft', ['-j', '-t', ...what]).catch(() => '{"nftables":[]}');
  return JSON.parse(text) as NftList;
}
