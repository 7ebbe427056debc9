import { readFile } from 'node:fs/promises';
import { ProviderError } from '../../provider.ts';
import {
  childrenOf,
  isAlive,
  type ProcessIdentity,
  parseStat,
  pidNamespace,
  processesWith,
  processStat,
  send,
  until,
} from './processes.ts';
import type { LaunchRecord, SeatFiles } from './seat-files.ts';

/** A process that goes on after SIGKILL waits in the kernel, for a disk say; so long that may last. */
const KILL_DEADLINE_MS = 10_000;

/** What lives of a seat, found again from what its processes wrote, never from memory. */
export interface SeatProcesses {
  /** The process that was launched: bubblewrap's outer half, or the entrypoint without a sandbox. */
  readonly launched: ProcessIdentity | undefined;
  /** Process 1 of the sandbox; when it dies the kernel kills all the others. */
  readonly init: ProcessIdentity | undefined;
}

export async function findProcesses(
  files: SeatFiles,
  record: LaunchRecord,
  boot: string,
): Promise<SeatProcesses> {
  if (record.bootId !== boot) return { launched: undefined, init: undefined };
  const note = parseStat(await readFile(files.note, 'utf8').catch(() => ''));
  const launched = note && (await isAlive(note)) ? note : undefined;
  if (!note || record.sandbox === 'none') return { launched, init: undefined };

  const { childPid, pidNamespace: namespace } = await files.readStatus();
  const child = childPid === undefined ? undefined : await processStat(childPid);
  if (!child || child.state === 'Z' || child.state === 'X' || child.startTicks < note.startTicks)
    return { launched, init: undefined };
  const ours =
    (launched && child.parent === launched.pid) ||
    (namespace !== undefined && (await pidNamespace(child.pid)) === namespace);
  return { launched, init: ours ? child : undefined };
}

export function isRunning(processes: SeatProcesses): boolean {
  return processes.launched !== undefined || processes.init !== undefined;
}

/** The variable that marks all processes of a seat without a sandbox. */
export const MARK = 'CLARATEACH_LOCAL_SEAT';

export interface KillRequest {
  readonly files: SeatFiles;
  readonly record: LaunchRecord;
  readonly boot: string;
  /** The value of {@link MARK} in this seat's processes. */
  readonly mark: string;
  /** How long the workspace server may take to say goodbye; 0 kills at once. */
  readonly graceMs: number;
}

/** After: no process of the seat lives. */
export async function killSeat(request: KillRequest, signal: AbortSignal): Promise<void> {
  if (request.record.bootId !== request.boot) return;
  if (request.graceMs > 0) await askToLeave(request, signal);
  const dead = await until(() => killOnce(request), { withinMs: KILL_DEADLINE_MS, signal });
  if (!dead)
    throw new ProviderError(
      'unreachable',
      'The seat’s processes do not end although they were killed; the disk may hang. It is tried again.',
    );
}

async function askToLeave({ files, record, boot, graceMs }: KillRequest, signal: AbortSignal): Promise<void> {
  const find = () => findProcesses(files, record, boot);
  const { launched, init } = await find();
  const entrypoint = record.sandbox === 'none' ? launched : await onlyChild(init);
  if (!entrypoint) return;
  await send(entrypoint, 'SIGTERM');
  await until(async () => !(await isAlive(entrypoint)), { withinMs: graceMs, signal });
}

async function onlyChild(parent: ProcessIdentity | undefined): Promise<ProcessIdentity | undefined> {
  const [pid] = parent ? await childrenOf(parent.pid) : [];
  return pid === undefined ? undefined : processStat(pid);
}

/** Kills what is there now; true when nothing was. */
async function killOnce({ files, record, boot, mark }: KillRequest): Promise<boolean> {
  const { launched, init } = await findProcesses(files, record, boot);
  if (init) await send(init, 'SIGKILL');
  // Bubblewrap's outer half ends with its child; one that has none yet is taken with all below it.
  else if (launched) await killTree(launched);
  // A shell leaves its session and its parent, but not the environment it began with.
  const marked = record.sandbox === 'none' ? await processesWith(MARK, mark) : [];
  for (const each of marked) await send(each, 'SIGKILL');
  return !launched && !init && marked.length === 0;
}

/** Stopped first, so that it makes no child while its children are killed. */
async function killTree(root: ProcessIdentity): Promise<void> {
  await send(root, 'SIGSTOP');
  for (const pid of await childrenOf(root.pid)) {
    const child = await processStat(pid);
    if (child) await killTree(child);
  }
  await send(root, 'SIGKILL');
}
