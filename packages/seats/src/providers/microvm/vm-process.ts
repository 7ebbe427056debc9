import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderError } from '../../provider.ts';
import { isAlive, type ProcessIdentity, parseStat, send, until } from '../local/processes.ts';
import { cgroupsHere, makeGroups, removeGroups, type VmLimits, vmGroups } from './cgroup.ts';
import { inNamespace, requireNamespaces, type VmNamespace } from './vm-namespace.ts';
import { GUEST_LINES, type GuestLine, type VmState } from './vmm.ts';

/** The line of `/proc/<pid>/stat` of the VM's process, with the boot it belongs to. */
const RECORD = 'process';
/** The directories of the control groups that were made for the VM, a line each. */
const GROUPS = 'cgroups';
/** What the VMM itself said. */
const VMM_LOG = 'vmm.log';
/**
 * The part of the VM's directory that its process works in, and may write to: what root goes by is
 * beside it, out of its reach.
 */
export const WORK = 'vm';
/** What the guest's console printed, in {@link WORK}. */
export const CONSOLE_LOG = 'console.log';
/** What a VM's process is before it becomes the VMM. */
const BEFORE_VMM = ['sh', 'dash', 'setpriv', 'unshare', 'jailer'];
const LAUNCH_DEADLINE_MS = 10_000;
const KILL_DEADLINE_MS = 10_000;
const LOG_TAIL_BYTES = 8_192;
/** A guest's root may print to its console without end, past all limits of its disks. */
const CONSOLE_MOST_BYTES = 4 * 1024 * 1024;
/** Kept of one that does: the lines that tell how far the guest came. */
const CONSOLE_HEAD_BYTES = 64 * 1024;
const CONSOLE_TAIL_BYTES = 1024 * 1024;

/**
 * Notes who it is and becomes the VMM. The note is written by the process itself before there is a
 * VM, so a server that is killed at any moment leaves none that it cannot find.
 */
const LAUNCH = `set -eu
read -r line < /proc/$$/stat
read -r boot < /proc/sys/kernel/random/boot_id
echo "$boot $line" > ../process.new
mv ../process.new ../process
for group in $CLARATEACH_GROUPS; do echo $$ >"$group"; done
unset CLARATEACH_GROUPS
exec "$@"`;

export interface VmProcess {
  readonly directory: string;
  readonly command: readonly string[];
  /** Files that the VMM may open as `/dev/fd/3`, `/dev/fd/4` and so on, wherever they lie. */
  readonly files: readonly string[];
  /** A named pipe that the VMM reads as its input, and that never ends; undefined for none. */
  readonly input?: string | undefined;
  readonly uid: number | undefined;
  /** A group that it belongs to: that of /dev/kvm. */
  readonly gid?: number | undefined;
  /** Kept by the kernel, where this process may make control groups. */
  readonly limits: VmLimits;
  /** Undefined to stay in the network namespace of this process, for a VM without a network. */
  readonly namespace: VmNamespace | undefined;
}

/** After: the VMM's process runs in its directory, and is found there. */
export async function launch(vm: VmProcess, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const opened: number[] = [];
  try {
    const log = openSync(join(vm.directory, VMM_LOG), 'w', 0o600);
    opened.push(log);
    for (const file of vm.files) opened.push(openSync(file, 'r'));
    const inherited = opened.slice(1);
    // Opened both ways: nobody waits for the other end, and there always is one.
    const input = vm.input === undefined ? 'ignore' : openSync(vm.input, 'r+');
    if (input !== 'ignore') opened.push(input);
    // The way to the host's network, until the VM's own is furnished.
    const output = vm.namespace === undefined ? log : openSync('/proc/self/ns/net', 'r');
    if (output !== log) opened.push(output);
    const groups = await limited(vm);
    const namespace = vm.namespace === undefined ? [] : inNamespace(vm.namespace);
    const command = [...namespace, ...dropped(vm), ...vm.command];
    const child = spawn('/bin/sh', ['-c', LAUNCH, 'clarateach-vm', ...command], {
      cwd: join(vm.directory, WORK),
      detached: true,
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        CLARATEACH_GROUPS: groups.join(' '),
      },
      stdio: [input, output, log, ...inherited],
    });
    child.unref();
    const exited = once(child, 'exit').then(() => true);
    exited.catch(() => undefined);
    let ended = false;
    void exited.then(
      () => (ended = true),
      () => (ended = true),
    );
    const begun = async () => ended || (await isVmm(vm.directory));
    if (!(await until(begun, { withinMs: LAUNCH_DEADLINE_MS, signal })) || ended) throw await refused(vm);
  } catch (error) {
    // Whatever has begun is no VM, and what it had is given back.
    await killVm(vm.directory);
    throw error;
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

/** Returns the files that the VM's process joins its control groups by; none where there are none. */
async function limited({ directory, limits }: VmProcess): Promise<readonly string[]> {
  const cgroups = await cgroupsHere();
  if (cgroups === undefined) return [];
  const groups = vmGroups(cgroups, directory, limits);
  // Noted first, so that whoever ends the VM finds them.
  await writeFile(join(directory, GROUPS), groups.map((group) => `${group.directory}\n`).join(''));
  return makeGroups(groups);
}

/** Root is given up for good before the VMM has read a byte of anybody's. */
function dropped({ uid, gid }: VmProcess): string[] {
  if (uid === undefined) return [];
  const groups = gid === undefined ? ['--clear-groups'] : [`--groups=${gid}`];
  return [
    'setpriv',
    `--reuid=${uid}`,
    `--regid=${uid}`,
    ...groups,
    '--no-new-privs',
    '--inh-caps=-all',
    '--',
  ];
}

/** Whether the recorded process has become the VMM: it is no shell any more. */
async function isVmm(directory: string): Promise<boolean> {
  const found = await identityOf(directory);
  if (!found) return false;
  const name = await readFile(`/proc/${found.pid}/comm`, 'utf8').catch(() => '');
  return name !== '' && !BEFORE_VMM.includes(name.trim());
}

async function refused(vm: VmProcess): Promise<ProviderError> {
  if (vm.namespace === undefined) return notStarted(vm);
  return requireNamespaces().then(
    () => notStarted(vm),
    (reason: ProviderError) => reason,
  );
}

export async function notStarted({ directory }: { directory: string }): Promise<ProviderError> {
  const words = (await tailOf(join(directory, VMM_LOG))).trim().split('\n').slice(-3).join(' | ');
  return new ProviderError(
    'unreachable',
    `The seat's virtual machine could not be started${words === '' ? '' : `: ${words}`}. Its files are safe.`,
  );
}

/** The VM's process as it was recorded; undefined when none was, or the machine was booted since. */
async function identityOf(directory: string): Promise<ProcessIdentity | undefined> {
  const line = await readFile(join(directory, RECORD), 'utf8').catch(() => '');
  const space = line.indexOf(' ');
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  if (space < 0 || line.slice(0, space) !== boot) return undefined;
  return parseStat(line.slice(space + 1));
}

export async function vmState(directory: string): Promise<VmState> {
  if (
    !(await stat(join(directory, RECORD)).then(
      () => true,
      () => false,
    ))
  )
    return { state: 'absent' };
  const identity = await identityOf(directory);
  if (!identity) return { state: 'ended', reason: 'the machine was restarted' };
  if (await isAlive(identity)) return { state: 'running' };
  return { state: 'ended', reason: await lastWords(directory) };
}

export async function killVm(directory: string): Promise<void> {
  const identity = await identityOf(directory);
  if (identity) {
    await send(identity, 'SIGKILL');
    if (!(await until(async () => !(await isAlive(identity)), { withinMs: KILL_DEADLINE_MS })))
      throw new ProviderError(
        'unreachable',
        'The virtual machine of a seat does not end; it is tried again.',
      );
  }
  const groups = await readFile(join(directory, GROUPS), 'utf8').catch(() => '');
  await removeGroups(groups.split('\n').filter((line) => line !== ''));
}

/** False when the VM still runs after `withinMs`. */
export async function vmEnded(directory: string, withinMs: number): Promise<boolean> {
  return until(async () => (await vmState(directory)).state !== 'running', { withinMs });
}

/** User and system time of the VM's process, in seconds. */
export async function processorSeconds(directory: string): Promise<number> {
  const identity = await identityOf(directory);
  if (!identity) return 0;
  const line = await readFile(`/proc/${identity.pid}/stat`, 'utf8').catch(() => '');
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  // Ticks of 1/100 s, on every Linux that these VMMs run on.
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / 100;
}

export async function hasSaid(directory: string, what: GuestLine): Promise<boolean> {
  return hasPrinted(directory, GUEST_LINES[what]);
}

/** Whether its console has said it at its beginning, or lately. */
export async function hasPrinted(directory: string, words: string): Promise<boolean> {
  const log = join(directory, WORK, CONSOLE_LOG);
  if ((await headOf(log, CONSOLE_HEAD_BYTES)).includes(words)) return true;
  return (await tailOf(log, CONSOLE_TAIL_BYTES)).includes(words);
}

/**
 * After: what the console has printed takes up no more than some MiB; of more, the beginning is kept. The VMM
 * appends to the file, and prints on behind what is kept.
 */
export async function boundConsole(directory: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(join(directory, WORK, CONSOLE_LOG), flags).catch(() => undefined);
  if (!file) return;
  try {
    const found = await file.stat();
    // The directory is the VMM's: under that name could be somebody else's file.
    if (!found.isFile() || found.nlink !== 1 || found.blocks * 512 <= CONSOLE_MOST_BYTES) return;
    await file.truncate(CONSOLE_HEAD_BYTES);
  } finally {
    await file.close();
  }
}

async function lastWords(directory: string): Promise<string> {
  const said = (await tailOf(join(directory, WORK, CONSOLE_LOG)))
    .split(/\r?\n/)
    .filter((line) => /clarateach: (?!init|waits|has)|Kernel panic|Out of memory/.test(line))
    .at(-1);
  if (said !== undefined) return said.replace(/^.*clarateach: /, '').slice(0, 300);
  const vmm = (await tailOf(join(directory, VMM_LOG))).trim().split('\n').at(-1) ?? '';
  return vmm === '' ? 'its virtual machine was ended' : vmm.slice(0, 300);
}

async function headOf(path: string, bytes: number): Promise<string> {
  return partOf(path, () => ({ from: 0, length: bytes }));
}

async function tailOf(path: string, bytes = LOG_TAIL_BYTES): Promise<string> {
  return partOf(path, (size) => ({ from: Math.max(0, size - bytes), length: bytes }));
}

/** Follows no link: the file may be in the VMM's own hands. */
async function partOf(
  path: string,
  part: (size: number) => { from: number; length: number },
): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const { from, length } = part(size);
    const most = Math.min(length, size - from);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(most), 0, most, from);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}
