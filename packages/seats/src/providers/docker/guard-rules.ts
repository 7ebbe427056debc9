import { isIPv4 } from 'node:net';

/** What no seat may reach: this host's and its neighbours' networks, metadata services, everything that is not the internet. */
export const PRIVATE_NETWORKS = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

interface GuardRulesOptions {
  readonly table: string;
  /** What the bridges of the seats begin with. */
  readonly bridges: string;
  readonly resolvers: readonly string[];
}

/**
 * The nftables rules that fence the seats in, as one transaction that replaces those before.
 * They only drop, ahead of the host's own rules, which still have their say on what remains.
 * `resolvers` are answered on port 53 even on private addresses.
 */
export function guardRules(options: GuardRulesOptions): string {
  const { table, bridges, resolvers } = options;
  const seats = `"${bridges}*"`;
  const names = resolvers.filter((address) => isIPv4(address));
  const allowNames =
    names.length === 0
      ? []
      : [`iifname ${seats} ip daddr { ${names.join(', ')} } meta l4proto { tcp, udp } th dport 53 accept`];
  const chain = (hook: string, rules: readonly string[]) => [
    `  chain ${hook} {`,
    `    type filter hook ${hook} priority -10; policy accept;`,
    ...rules.map((rule) => `    ${rule}`),
    '  }',
  ];
  return [
    // Deleting needs a table to be there.
    `table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    // To the host itself: answers to what the host asked, and nothing else.
    ...chain('input', [
      `iifname ${seats} ct state established,related accept`,
      ...allowNames,
      `iifname ${seats} drop`,
    ]),
    ...chain('forward', [
      // To a seat: answers. Other seats and other networks do not begin a conversation.
      `oifname ${seats} ct state established,related accept`,
      `oifname ${seats} drop`,
      `iifname ${seats} meta nfproto ipv6 drop`,
      ...allowNames,
      `iifname ${seats} ip daddr { ${PRIVATE_NETWORKS.join(', ')} } drop`,
    ]),
    '}',
    '',
  ].join('\n');
}

/**
 * The name servers in a resolv.conf. One on loopback is the host's own stub, which the engine goes
 * around; it is none that seats could ask.
 */
export function parseResolvers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^\s*nameserver\s+(\S+)/gm)]
    .map((match) => match[1] ?? '')
    .filter((address) => isIPv4(address) && !address.startsWith('127.'));
}
