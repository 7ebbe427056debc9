import { isIPv4 } from 'node:net';
import { BROWSER_PORT, TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { PRIVATE_NETWORKS } from '../docker/guard-rules.ts';
import type { Rate } from './rates.ts';

/** One seat on the bridge. */
export interface NetworkSeat {
  /** The seat's port of the bridge: one end of a pair, of which its VM has the other. */
  readonly port: string;
  readonly mac: string;
  readonly address: string;
}

/** What one seat may take of what all share in the host's network stack. */
export interface SeatAmounts {
  /** Connections and exchanges under way; each has an entry in a table that is the whole host's. */
  readonly connections: number;
  /** New ones. Each that is too many costs the host a look at all that there are. */
  readonly opening: Rate;
  /** Packets to port 53: the name servers are everybody's. */
  readonly names: Rate;
}

/** The host's table has 65,536 entries or more, and a desktop with many open pages holds 500. */
export const SEAT_AMOUNTS: SeatAmounts = {
  connections: 2_000,
  opening: { perSecond: 200, burst: 1_000 },
  names: { perSecond: 50, burst: 500 },
};

export interface NetworkRulesOptions {
  readonly table: string;
  readonly bridge: string;
  /** What the names of the installation's ports begin with. */
  readonly ports: string;
  /** The seats' network, as `192.168.100.0/24`. */
  readonly subnet: string;
  readonly seats: readonly NetworkSeat[];
  /** Name servers that seats may ask, on private addresses too. */
  readonly resolvers: readonly string[];
  /** The user whose processes may open connections to seats: the gateway's. */
  readonly uid: number;
  /** Bytes that each seat may send, and be sent; undefined where the VMM sees to it. */
  readonly rate?: Rate | undefined;
  /** {@link SEAT_AMOUNTS} when left out. */
  readonly amounts?: SeatAmounts | undefined;
  /** The address of a guest that is about to begin: connections of one before do not count. */
  readonly beginning?: string | undefined;
}

/**
 * Tells both ends of a connection what fits through the machine's line. That of a tunnel or a cloud is
 * narrower than the bridge, and the word that a packet was too large often reaches nobody.
 */
const FITTING = 'tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu';
const CHAINS = ['input', 'forward', 'amounts', 'opening', 'output', 'postrouting'];
const COUNTS = ['connections', 'openings', 'names'];

/**
 * The nftables rules around microVM seats, as one transaction that replaces those before. Ahead of
 * the host's own rules they drop whatever a seat may not have; what remains is the host's to allow.
 * That seats do not see each other on the bridge is the ports' own `isolated`; these rules hold where
 * frames are routed. What is counted of seats stays: else each seat that comes would let the others
 * begin anew.
 */
export function networkRules(options: NetworkRulesOptions): string {
  const { table, subnet, uid, beginning, amounts = SEAT_AMOUNTS } = options;
  const bridge = `"${options.bridge}"`;
  const ports = `"${options.ports}*"`;
  const names = options.resolvers.filter((address) => isIPv4(address));
  const allowNames =
    names.length === 0
      ? []
      : [`iifname ${bridge} ip daddr { ${names.join(', ')} } meta l4proto { tcp, udp } th dport 53 accept`];
  const chain = (name: string, type: string | undefined, rules: readonly string[]) => [
    `  chain ${name} {`,
    ...(type === undefined ? [] : [`    type ${type}; policy accept;`]),
    ...rules.map((rule) => `    ${rule}`),
    '  }',
  ];
  const over = ({ perSecond, burst }: Rate) => `limit rate over ${perSecond}/second burst ${burst} packets`;
  // A bucket for each port and direction, in a set that fills by itself.
  const meter = (name: string, port: string): readonly string[] =>
    options.rate === undefined
      ? []
      : [
          `${port} ${ports} update @${name} { ${port} limit rate over ${options.rate.perSecond} bytes/second burst ${options.rate.burst} bytes } drop`,
        ];
  const meters = options.rate === undefined ? [] : ['sending', 'receiving'];
  const elements = options.seats.map(({ port, mac, address }) => `"${port}" . ${mac} . ${address}`);
  return [
    // Deleting needs what is deleted to be there.
    `table inet ${table}`,
    ...CHAINS.map((name) => `add chain inet ${table} ${name}`),
    `flush table inet ${table}`,
    ...CHAINS.map((name) => `delete chain inet ${table} ${name}`),
    `table bridge ${table}`,
    `delete table bridge ${table}`,
    `table inet ${table} {`,
    ...COUNTS.map((name) => `  set ${name} { type ipv4_addr; size 65535; flags dynamic; }`),
    ...chain('amounts', undefined, [
      `meta l4proto { tcp, udp } th dport 53 update @names { ip saddr ${over(amounts.names)} } drop`,
      'ct state new jump opening',
    ]),
    ...chain('opening', undefined, [
      `update @openings { ip saddr ${over(amounts.opening)} } drop`,
      `add @connections { ip saddr ct count over ${amounts.connections} } drop`,
    ]),
    // To the host itself: answers to what the host asked, and nothing else.
    ...chain('input', 'filter hook input priority -10', [
      `iifname ${bridge} jump amounts`,
      `iifname ${bridge} ct state established,related accept`,
      ...allowNames,
      `iifname ${bridge} drop`,
    ]),
    ...chain('forward', 'filter hook forward priority -10', [
      ...['iifname', 'oifname'].map((port) => `${port} ${bridge} ${FITTING}`),
      `oifname ${bridge} ct state established,related accept`,
      `oifname ${bridge} drop`,
      `iifname ${bridge} meta nfproto ipv6 drop`,
      `iifname ${bridge} jump amounts`,
      ...allowNames,
      `iifname ${bridge} ip daddr { ${PRIVATE_NETWORKS.join(', ')} } drop`,
    ]),
    // Seats trust whoever reaches their ports, so on this host only the gateway does.
    ...chain('output', 'filter hook output priority -10', [
      `oifname ${bridge} ct state established,related accept`,
      `oifname ${bridge} meta skuid ${uid} tcp dport ${TERMINAL_PORT}-${BROWSER_PORT} accept`,
      `oifname ${bridge} meta l4proto icmp accept`,
      `oifname ${bridge} drop`,
    ]),
    ...chain('postrouting', 'nat hook postrouting priority srcnat', [
      `ip saddr ${subnet} oifname != ${bridge} masquerade`,
    ]),
    '}',
    ...(beginning === undefined
      ? []
      : ['add', 'delete'].map((verb) => `${verb} element inet ${table} connections { ${beginning} }`)),
    `table bridge ${table} {`,
    '  set seats {',
    '    type ifname . ether_addr . ipv4_addr',
    ...(elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]),
    '  }',
    ...meters.map((name) => `  set ${name} { type ifname; size 65535; flags dynamic; }`),
    // A seat speaks IPv4 under its own names or not at all; IPv6 is not spoken here.
    ...chain('prerouting', 'filter hook prerouting priority -300', [
      `iifname != ${ports} accept`,
      ...meter('sending', 'iifname'),
      'ether type ip iifname . ether saddr . ip saddr @seats accept',
      'ether type arp iifname . ether saddr . arp saddr ip @seats iifname . arp saddr ether . arp saddr ip @seats accept',
      'drop',
    ]),
    ...(options.rate === undefined
      ? []
      : chain('postrouting', 'filter hook postrouting priority -300', meter('receiving', 'oifname'))),
    '}',
    '',
  ].join('\n');
}
