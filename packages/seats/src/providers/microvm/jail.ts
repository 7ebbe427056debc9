import { chmod, lchown, lstat, mkdir, readlink, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ProviderError } from '../../provider.ts';
import type { SavedGuest, VmConfig } from './vmm.ts';

/** Firecracker's jailer, and where the API sockets of jailed VMs lie. */
export interface Jail {
  /** The jailer of the same release. */
  readonly jailer: string;
  /** Private to root; a directory for each VM is made in it. */
  readonly socketDirectory: string;
}

export const API_SOCKET = 'firecracker.sock';
/** In the VM's directory: leads to the directory of its API socket. */
const SOCKETS = 'sockets';
const NAME_IN_JAIL = 'firecracker';

/** Paths of a VM's files as its Firecracker sees them. */
export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string;
  /** In the order of the VM's disks. A saved guest's copy must find its own under the same names. */
  readonly disks: readonly string[];
  /** What the VM is a copy of; undefined for one that is booted. */
  readonly saved: SavedGuest | undefined;
}

/** In a jail the files have names of their own. */
export function jailedFiles({ disks, begin }: VmConfig): GuestFiles {
  return {
    kernel: '/kernel',
    initrd: '/initrd',
    disks: disks.map(({ id }) => `/${id}`),
    saved: begin?.kind === 'copy' ? { memory: '/memory', state: '/state' } : undefined,
  };
}

/**
 * Puts the VM's files into the jail, in a mount namespace that ends with the process: nothing is
 * copied, nothing is left mounted, and what is read-only is so for the VMM itself. $1 root of the jail,
 * $2 the console's file, then `ro|rw`, file, name for each; after `--` the jailer.
 */
const FURNISH = `set -eu
root=$1 console=$2
shift 2
# The jailer puts the program and its devices here, which a file system such as /tmp may not let work.
mount -n --bind "$root" "$root"
mount -n -o remount,bind,nosuid,dev,exec "$root"
while [ "$1" != -- ]; do
  if [ -d "$2" ]; then mkdir -p "$root/$3"; else : >"$root/$3"; fi
  mount -n --bind "$2" "$root/$3"
  [ "$1" = rw ] || mount -n -o remount,bind,ro "$root/$3"
  shift 3
done
shift
exec "$@" >>"$console"`;

/**
 * The command that becomes a jailed Firecracker: an own user, an own root with nothing but its files
 * and its two devices, its limits of open files, and Firecracker's own seccomp filters. Its network
 * namespace is the one that its process was launched in, with its tap; so the jailer is told of none.
 */
export function jailedCommand(
  config: VmConfig,
  options: { jail: Jail; program: string; uid: number; gid: number; console: string },
): readonly string[] {
  const { jail, program, uid, gid } = options;
  const base = join(config.directory, 'jail');
  const root = rootOf(config, program);
  const names = jailedFiles(config).disks;
  const { begin } = config;
  const saved = begin?.kind === 'copy' ? begin.of : undefined;
  const inside = (name: string) => name.slice(1);
  return [
    ...['unshare', '--mount', '--propagation', 'private', '--'],
    ...['/bin/sh', '-c', FURNISH, 'clarateach-vm', root, options.console],
    ...['ro', config.kernel, 'kernel', 'ro', config.initrd, 'initrd'],
    ...config.disks.flatMap((disk, index) => [
      disk.readOnly ? 'ro' : 'rw',
      disk.path,
      inside(names[index] ?? ''),
    ]),
    ...(saved === undefined ? [] : ['ro', saved.memory, 'memory', 'ro', saved.state, 'state']),
    ...['rw', join(config.directory, SOCKETS, '.'), 'run', '--'],
    ...[jail.jailer, '--id', config.name, '--exec-file', program, '--uid', `${uid}`, '--gid', `${gid}`],
    ...['--chroot-base-dir', base, '--resource-limit', 'no-file=1024'],
    ...['--', '--api-sock', `/run/${API_SOCKET}`],
  ];
}

/** The jail's root: its VM's user may write there. */
export function rootOf({ directory, name }: VmConfig, program: string): string {
  return join(directory, 'jail', basename(program), name, 'root');
}

/** After: the empty jail is there, and the directory of the VM's API socket. */
export async function makeJail(
  config: VmConfig,
  { jail, program, uid }: { jail: Jail; program: string; uid: number },
): Promise<void> {
  if (!basename(program).includes(NAME_IN_JAIL)) {
    throw new ProviderError('rejected', `The jailer takes no program of the name ${basename(program)}.`);
  }
  await requirePrivate(jail.socketDirectory);
  const sockets = join(jail.socketDirectory, config.name);
  await rm(sockets, { recursive: true, force: true });
  await rm(join(config.directory, SOCKETS), { force: true });
  // The link first: what it leads to is found and removed by it.
  await symlink(sockets, join(config.directory, SOCKETS));
  await mkdir(sockets, { mode: 0o700 });
  await lchown(sockets, uid, uid);
  await mkdir(rootOf(config, program), { recursive: true, mode: 0o700 });
}

/** The API socket of a jailed VM; undefined for one without a jail. */
export async function jailedSocket(directory: string): Promise<string | undefined> {
  const sockets = await readlink(join(directory, SOCKETS)).catch(() => undefined);
  return sockets === undefined ? undefined : join(sockets, API_SOCKET);
}

/** After: nothing of the VM is outside of its directory. */
export async function removeSockets(directory: string): Promise<void> {
  const sockets = await readlink(join(directory, SOCKETS)).catch(() => undefined);
  if (sockets !== undefined) await rm(sockets, { recursive: true, force: true });
}

/** A directory in /tmp may have been laid there by anybody. */
async function requirePrivate(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const found = await lstat(directory);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new ProviderError(
      'rejected',
      `SOCKET_DIR is ${directory}, which belongs to another user. Remove it, or set SOCKET_DIR to a directory that only root may write to, such as /run/clarateach.`,
    );
  }
  await chmod(directory, 0o700);
}
