import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** A process that cannot be mistaken for a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from the machine's boot to the process's start: field 22 of `/proc/<pid>/stat`. */
  readonly startTicks: number;
}

export interface ProcessStat extends ProcessIdentity {
  readonly parent: number;
  /** The kernel's letter: `Z` and `X` are dead and only not yet collected. */
  readonly state: string;
}

/** The line of `/proc/<pid>/stat`; undefined when it is none. */
export function parseStat(line: string): ProcessStat | undefined {
  // The second field is the program's name in parentheses, and may hold both spaces and parentheses.
  const nameEnd = line.lastIndexOf(')');
  const fields = line.slice(nameEnd + 2).split(' ');
  const pid = Number.parseInt(line, 10);
  const startTicks = Number(fields[19]);
  if (nameEnd < 0 || !Number.isInteger(pid) || !Number.isInteger(startTicks)) return undefined;
  return { pid, startTicks, parent: Number(fields[1]), state: fields[0] ?? 'X' };
}

export async function processStat(pid: number): Promise<ProcessStat | undefined> {
  return parseStat(await contents(`/proc/${pid}/stat`));
}

/** Whether exactly this process lives. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const stat = await processStat(identity.pid);
  return (
    stat !== undefined && stat.startTicks === identity.startTicks && stat.state !== 'Z' && stat.state !== 'X'
  );
}

/** Kills exactly this process; one that has ended already is no error. */
export async function send(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  if (!(await isAlive(identity))) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export async function childrenOf(pid: number): Promise<number[]> {
  const line = await contents(`/proc/${pid}/task/${pid}/children`);
  return line.trim().split(' ').filter(Boolean).map(Number);
}

/** The inode of the process's pid namespace; undefined when it is gone or not ours to see. */
export async function pidNamespace(pid: number): Promise<number | undefined> {
  try {
    const match = /^pid:\[(\d+)\]$/.exec(await readlink(`/proc/${pid}/ns/pid`));
    return match ? Number(match[1]) : undefined;
  } catch {
    return undefined;
  }
}

/** Every living process whose first environment has the variable with a value that is `value` or begins with `value.`. */
export async function processesWith(variable: string, value: string): Promise<ProcessIdentity[]> {
  const whole = `${variable}=${value}`;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = (await contents(`/proc/${pid}/environ`)).split('\0');
      if (!environment.some((entry) => entry === whole || entry.startsWith(`${whole}.`))) return undefined;
      const stat = await processStat(pid);
      return stat && stat.state !== 'Z' ? stat : undefined;
    }),
  );
  return found.filter((stat) => stat !== undefined);
}

/** Differs after every boot, so that processes recorded before it are known to be gone. */
export async function bootId(): Promise<string> {
  return (await contents('/proc/sys/kernel/random/boot_id')).trim();
}

/** Asks again and again until the answer is yes; false when `withinMs` passed first. */
export async function until(
  condition: () => Promise<boolean>,
  { withinMs, signal }: { withinMs: number; signal?: AbortSignal },
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 10)) {
    signal?.throwIfAborted();
    if (await condition()) return true;
    if (performance.now() > deadline) return false;
    await pause(waitMs);
  }
}

async function contents(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // A process may end between any two looks at it.
    return '';
  }
}
