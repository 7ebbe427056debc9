import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import type { SeatLimits } from '../../provider.ts';

/** Where the host's programs are looked for, whatever the server's own PATH is. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** A runaway program fills no disk with one file. */
const MAX_FILE_BYTES = 16 * 1024 ** 3;
/** Uid and gid of the learner inside a sandbox. */
export const LEARNER = 1000;
/** Where a seat has its tools and programs, in every runtime. */
export const SEAT_ROOT = '/opt/clarateach';
/** Where the sockets of the workspace server lie inside a sandbox. */
export const SANDBOX_SOCKETS = '/run/clarateach';

/** What this machine's bubblewrap can do beyond the oldest one that is used. */
export interface BubblewrapFeatures {
  readonly tmpfsSize: boolean;
  readonly disableUserns: boolean;
}

export function bubblewrapFeatures(help: string): BubblewrapFeatures {
  return { tmpfsSize: /^\s*--size\b/m.test(help), disableUserns: /^\s*--disable-userns\b/m.test(help) };
}

/** Directories of the host that a seat is made from; absolute. */
export interface SandboxSources {
  /** The seat's own: `workspace`, and in `etc` the files `passwd`, `group` and `hosts` as the learner sees them. */
  readonly seat: string;
  readonly sockets: string;
  readonly tools: string;
  /** With `entrypoint.sh`, `skel` and `workspace`, the workspace server. */
  readonly program: string;
}

export interface SandboxRequest {
  readonly sources: SandboxSources;
  readonly hostname: string;
  readonly env: Readonly<Record<string, string>>;
  readonly limits: SeatLimits;
  readonly features: BubblewrapFeatures;
}

/** What of the host's /etc programs need; none of it is secret. */
const ETC = [
  'alternatives',
  'bash.bashrc',
  'bash_completion.d',
  'ca-certificates',
  'debian_version',
  'fonts',
  'gitconfig',
  'host.conf',
  'inputrc',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'localtime',
  'mime.types',
  'nanorc',
  'nsswitch.conf',
  'os-release',
  'pki',
  'profile',
  'profile.d',
  'protocols',
  'python3',
  'resolv.conf',
  'services',
  'ssl',
  'terminfo',
  'timezone',
  'vim',
];

/**
 * Arguments of bubblewrap for `--args`, so that neither they nor the environment in them is seen in
 * a process list. Everything is unshared but the network.
 */
export function sandboxArguments(request: SandboxRequest): string[] {
  const { sources, features, limits } = request;
  const sized = (mib: number): string[] => (features.tmpfsSize ? ['--size', `${mib * 1024 * 1024}`] : []);
  return [
    ...['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try'],
    ...(features.disableUserns ? ['--disable-userns'] : []),
    ...['--uid', `${LEARNER}`, '--gid', `${LEARNER}`, '--cap-drop', 'ALL', '--new-session'],
    ...['--hostname', request.hostname],
    ...systemMounts(),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...[...sized(Math.max(64, Math.round(limits.memoryMiB / 2))), '--tmpfs', '/tmp'],
    ...[...sized(64), '--tmpfs', '/var/tmp', ...sized(16), '--tmpfs', '/run'],
    ...ETC.flatMap((name) => ['--ro-bind-try', `/etc/${name}`, `/etc/${name}`]),
    ...['passwd', 'group', 'hosts'].flatMap((name) => [
      '--ro-bind',
      join(sources.seat, 'etc', name),
      `/etc/${name}`,
    ]),
    ...['--ro-bind', sources.tools, `${SEAT_ROOT}/tools`],
    ...['--ro-bind', join(sources.program, 'workspace'), `${SEAT_ROOT}/workspace`],
    ...['--ro-bind', join(sources.program, 'skel'), `${SEAT_ROOT}/skel`],
    ...['--ro-bind', join(sources.program, 'entrypoint.sh'), `${SEAT_ROOT}/entrypoint.sh`],
    ...['--bind', sources.sockets, SANDBOX_SOCKETS],
    ...[
      '--bind',
      join(sources.seat, 'workspace'),
      '/workspace',
      '--symlink',
      '/workspace/.home',
      '/home/learner',
    ],
    ...['--remount-ro', '/', '--chdir', '/workspace', '--clearenv'],
    ...Object.entries(request.env).flatMap(([name, value]) => ['--setenv', name, value]),
  ];
}

/** `/usr`, and the other system directories as this machine has them: links into `/usr`, or their own. */
function systemMounts(): string[] {
  const mounts = ['--ro-bind', '/usr', '/usr'];
  for (const name of ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']) {
    const path = `/${name}`;
    if (!existsSync(path)) continue;
    if (lstatSync(path).isSymbolicLink()) mounts.push('--symlink', readlinkSync(path), path);
    else mounts.push('--ro-bind', path, path);
  }
  return mounts;
}

/** The command that runs inside: limits of its own processes first, for a machine without cgroups. */
export function sandboxCommand(
  limits: SeatLimits,
  rlimits: { processes: boolean; maxOpenFiles: number },
): string[] {
  return [
    'prlimit',
    '--core=0',
    `--nofile=${Math.min(limits.openFiles, rlimits.maxOpenFiles)}`,
    ...(rlimits.processes ? [`--nproc=${limits.processes}`] : []),
    `--fsize=${MAX_FILE_BYTES}`,
    '--',
    `${SEAT_ROOT}/entrypoint.sh`,
  ];
}

/**
 * Notes who it is, enters the seat's cgroups, and becomes the command if it still may. The note is
 * written by the process itself, so a server that is killed at any moment leaves no seat that it
 * cannot find; the permit is looked for after it, so a seat that is stopped before its process has
 * come this far does not start. $1 note, $2 permit, then files to enter, then -- and the command.
 */
const LAUNCH = `set -eu
read -r line < /proc/$$/stat
echo "$line" > "$1"
[ -e "$2" ] || exit 1
shift 2
while [ "$1" != -- ]; do { echo $$ > "$1"; } 2>/dev/null || :; shift; done
shift
exec "$@"`;

/**
 * In a mount namespace of its own: shows three directories at a place where an unprivileged user
 * can reach them, wherever they lie, and becomes that user. $1 place, $2 uid, $3 to $5 the
 * directories, then the command.
 */
const DROP_ROOT = `set -eu
place=$1 uid=$2
mount -t tmpfs -o mode=755,size=64k clarateach "$place"
mkdir "$place/seat" "$place/tools" "$place/program"
mount --bind "$3" "$place/seat"
mount --rbind "$4" "$place/tools"
mount --bind "$5" "$place/program"
shift 5
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups --no-new-privs -- "$@"`;

export interface LaunchRequest {
  /** The launched process writes its line of `/proc/<pid>/stat` here. */
  readonly noteFile: string;
  /** Without this file, it ends instead. */
  readonly permitFile: string;
  readonly cgroups: readonly string[];
}

export function launchCommand(
  { noteFile, permitFile, cgroups }: LaunchRequest,
  command: readonly string[],
): string[] {
  return [
    '/bin/sh',
    '-c',
    LAUNCH,
    'clarateach-seat',
    noteFile,
    permitFile,
    ...cgroups.map((d) => `${d}/cgroup.procs`),
    '--',
    ...command,
  ];
}

/** The command as an unprivileged user, and the sources as that user reaches them. */
export function droppedRoot(
  uid: number,
  { seat, sockets, tools, program }: SandboxSources,
): { sources: SandboxSources; wrap(command: readonly string[]): string[] } {
  const place = freePlace([seat, tools, program]);
  const shown = { seat: join(place, 'seat'), tools: join(place, 'tools'), program: join(place, 'program') };
  return {
    // Sockets that lie elsewhere lie where everybody can reach them.
    sources: {
      ...shown,
      sockets: sockets.startsWith(`${seat}/`) ? join(shown.seat, relative(seat, sockets)) : sockets,
    },
    wrap: (command) => [
      ...['unshare', '--mount', '--propagation', 'private', '/bin/sh', '-c', DROP_ROOT, 'clarateach-seat'],
      ...[place, `${uid}`, seat, tools, program, ...command],
    ],
  };
}

/** A directory that every Linux has and that hides none of the paths when something is mounted on it. */
function freePlace(paths: readonly string[]): string {
  for (const path of paths) if (!isAbsolute(path)) throw new Error(`${path} is not an absolute path`);
  const place = ['/mnt', '/media', '/srv', '/boot'].find(
    (candidate) =>
      existsSync(candidate) && !paths.some((path) => path === candidate || path.startsWith(`${candidate}/`)),
  );
  if (!place)
    throw new Error(
      'No directory is free to show the seats at: /mnt, /media, /srv and /boot are missing or in use.',
    );
  return place;
}
