import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { PLATFORM_PORTS } from '@clarateach/contract/seat-server';

/** State of a listening socket in /proc/net/tcp. */
const LISTEN = '0A';

/** Where a program of this seat listens. */
export interface ListeningPort {
  readonly port: number;
  /** The loopback address that reaches it. */
  readonly host: '127.0.0.1' | '::1';
}

/**
 * TCP ports that the learner's programs listen on, by number, without the platform's. In a seat that
 * shares its machine's network only sockets of processes that this seat can see count.
 */
export function listeningPorts(): ListeningPort[] {
  const sockets = [...listening('/proc/net/tcp', false), ...listening('/proc/net/tcp6', true)].filter(
    ({ port }) => !PLATFORM_PORTS.includes(port),
  );
  if (sockets.length === 0) return [];
  const ours = ownSockets(new Set(sockets.map(({ inode }) => inode)));
  const found = new Map<number, ListeningPort>();
  for (const { port, host, inode } of sockets) {
    if (ours.has(inode) && !found.has(port)) found.set(port, { port, host });
  }
  return [...found.values()].sort((a, b) => a.port - b.port);
}

function listening(table: string, v6: boolean): (ListeningPort & { inode: string })[] {
  let text: string;
  try {
    text = readFileSync(table, 'utf8');
  } catch {
    return []; // A machine without IPv6.
  }
  const sockets: (ListeningPort & { inode: string })[] = [];
  for (const line of text.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [address, port] = fields[1]?.split(':') ?? [];
    const inode = fields[9];
    if (fields[3] !== LISTEN || address === undefined || port === undefined || inode === undefined) continue;
    sockets.push({ port: Number.parseInt(port, 16), inode, host: loopback(address, v6) });
  }
  return sockets;
}

const V6_LOOPBACK = '00000000000000000000000001000000';

/** Whoever listens on every IPv6 address is usually reached over IPv4 too, but not always; ::1 always works. */
function loopback(address: string, v6: boolean): '127.0.0.1' | '::1' {
  return v6 && (address === V6_LOOPBACK || /^0+$/.test(address)) ? '::1' : '127.0.0.1';
}

function ownSockets(wanted: ReadonlySet<string>): Set<string> {
  const own = new Set<string>();
  for (const process of readdirSync('/proc')) {
    if (!/^\d+$/.test(process)) continue;
    let descriptors: string[];
    try {
      descriptors = readdirSync(`/proc/${process}/fd`);
    } catch {
      continue; // It has ended, or is another user's.
    }
    for (const descriptor of descriptors) {
      try {
        const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${process}/fd/${descriptor}`))?.[1];
        if (inode !== undefined && wanted.has(inode)) own.add(inode);
      } catch {
        // Closed meanwhile.
      }
    }
    if (own.size === wanted.size) break;
  }
  return own;
}
