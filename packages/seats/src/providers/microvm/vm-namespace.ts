import { ProviderError } from '../../provider.ts';
import { lacksPairs, noPairs, peerOf } from './links.ts';
import { ProgramFailed, runProgram } from './run-program.ts';
import type { VmConfig } from './vmm.ts';

/** A VM's tap. Its namespace has no other, so it has the same name for each, and for copies of a guest. */
export const TAP = 'tap0';
const BRIDGE = 'bridge0';
const UPLINK = 'uplink0';

/** The network namespace of a VM's process, which nothing else holds: it ends with the process. */
export interface VmNamespace {
  /** The seat's port of the host's bridge, of which the other end is taken in; undefined to lead nowhere. */
  readonly port: string | undefined;
  /** Whose the tap is; undefined for root's. */
  readonly uid: number | undefined;
}

/**
 * Runs in the new namespace, as root. $1 the end of the pair that waits in the host's namespace, or
 * nothing; $2 what `ip` is told to make. Its output is the host's namespace, which it lets go of before
 * anything that is the VM's runs: what is told goes to the log, as its errors do.
 */
const FURNISH = `set -eu
if [ /proc/self/fd/1 -ef /proc/self/ns/net ]; then
  echo 'there is no other network namespace than that of the host' >&2
  exit 1
fi
for all in all default; do
  file=/proc/sys/net/ipv6/conf/$all/disable_ipv6
  [ ! -e "$file" ] || echo 1 >"$file"
done
[ -z "$1" ] || nsenter --net=/proc/self/fd/1 -- ip link set dev "$1" netns $$ name ${UPLINK}
exec >&2
ip -batch - <<END
$2
END
shift 2
exec "$@"`;

/** That of a VM with a network; one without stays where the server is, and opens nothing there. */
export function namespaceOf({ network, uid }: VmConfig): VmNamespace | undefined {
  return network === undefined ? undefined : { port: network.port, uid };
}

/** What goes before a command, for it to run in a namespace of its own; its output is the host's, for a moment. */
export function inNamespace({ port, uid }: VmNamespace): string[] {
  const links = [
    `tuntap add dev ${TAP} mode tap${uid === undefined ? '' : ` user ${uid}`}`,
    // It says nothing itself: it has no address, takes no part in multicast, and asks nobody.
    `link add name ${BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    ...[BRIDGE, `${TAP} master ${BRIDGE}`].map((link) => `link set dev ${link} up`),
    ...(port === undefined ? [] : [`link set dev ${UPLINK} master ${BRIDGE} up`]),
  ].join('\n');
  const peer = port === undefined ? '' : peerOf(port);
  return ['unshare', '--net', '--', '/bin/sh', '-c', FURNISH, 'clarateach-vm', peer, links];
}

/**
 * Throws a {@link ProviderError} `rejected` where no VM could be given a namespace and a pair that leads
 * there. Changes nothing: what is made for a trial ends with it.
 */
export async function requireNamespaces(): Promise<void> {
  // One that is not installed is named as such.
  await runProgram('ip', ['-V']);
  const pair = ['link', 'add', 'name', UPLINK, 'type', 'veth', 'peer', 'name', 'trial0'];
  try {
    await runProgram('unshare', ['--net', '--', 'ip', ...pair]);
  } catch (cause) {
    if (!(cause instanceof ProgramFailed)) throw cause;
    if (lacksPairs(cause)) throw noPairs(cause);
    throw new ProviderError(
      'rejected',
      `This machine gives a virtual machine no network of its own (${cause.said}). Start the server as root; in a container, give it CAP_SYS_ADMIN, and a seccomp profile that lets it call unshare.`,
      { cause },
    );
  }
}
