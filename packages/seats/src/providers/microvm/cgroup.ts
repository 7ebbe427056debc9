import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../local/processes.ts';

/** What the process of one VM may use of the machine, whatever its guest does. */
export interface VmLimits {
  readonly memoryMiB: number;
  /** Processors, also parts of one. */
  readonly cpus: number;
  /** Threads and processes. */
  readonly tasks: number;
}

/** One directory of the machine's control groups, with what is written there. */
interface Group {
  readonly directory: string;
  readonly files: Readonly<Record<string, string>>;
}

/** Control groups as the machine has them: a tree for each controller (1), or one for all (2). */
export type Cgroups =
  | { readonly version: 1; readonly memory: string; readonly cpu: string; readonly pids: string }
  | { readonly version: 2; readonly root: string };

const CONTROLLERS = ['memory', 'cpu', 'pids'] as const;
/** Below it lie the groups of all VMs. */
const PARENT = 'clarateach';
const PERIOD_US = 100_000;
const REMOVE_MS = 5_000;

/** The control groups that can limit a VM here; undefined where this process may not make any. */
export async function cgroupsHere(mounts = '/proc/self/mounts'): Promise<Cgroups | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = parseMounts(await readFile(mounts, 'utf8').catch(() => ''));
  for (const cgroups of found) {
    if (cgroups.version === 2) {
      const there = await readFile(join(cgroups.root, 'cgroup.controllers'), 'utf8').catch(() => '');
      if (!CONTROLLERS.every((name) => there.split(/\s+/).includes(name))) continue;
    }
    if (await canMake(cgroups)) return cgroups;
  }
  return undefined;
}

/** The hierarchies in the lines of `/proc/self/mounts`, the newer kind first. */
export function parseMounts(text: string): readonly Cgroups[] {
  const found: Cgroups[] = [];
  const controllers = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, place = '', type, options = ''] = line.split(' ');
    if (type === 'cgroup2') found.push({ version: 2, root: place });
    if (type !== 'cgroup') continue;
    for (const option of options.split(',')) controllers.set(option, place);
  }
  const [memory, cpu, pids] = CONTROLLERS.map((name) => controllers.get(name));
  if (memory !== undefined && cpu !== undefined && pids !== undefined)
    found.push({ version: 1, memory, cpu, pids });
  return found;
}

async function canMake(cgroups: Cgroups): Promise<boolean> {
  try {
    for (const { directory } of groupsOf(cgroups, PARENT)) await mkdir(directory, { recursive: true });
    if (cgroups.version === 2) {
      const all = CONTROLLERS.map((name) => `+${name}`).join(' ');
      await writeFile(join(cgroups.root, 'cgroup.subtree_control'), all);
      await writeFile(join(cgroups.root, PARENT, 'cgroup.subtree_control'), all);
    }
    return true;
  } catch {
    return false;
  }
}

/** The groups of one VM, named for its directory: two installations may have VMs of one name. */
export function vmGroups(cgroups: Cgroups, directory: string, limits: VmLimits): readonly Group[] {
  const id = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  return groupsOf(cgroups, join(PARENT, `vm-${id}`), limits);
}

function groupsOf(cgroups: Cgroups, name: string, limits?: VmLimits): readonly Group[] {
  const bytes = `${Math.ceil((limits?.memoryMiB ?? 0) * 1024 * 1024)}`;
  const quota = `${Math.max(1_000, Math.round((limits?.cpus ?? 0) * PERIOD_US))}`;
  const tasks = `${limits?.tasks ?? 0}`;
  if (cgroups.version === 2) {
    const files = {
      'memory.max': bytes,
      'cpu.max': `${quota} ${PERIOD_US}`,
      'pids.max': tasks,
    };
    return [{ directory: join(cgroups.root, name), files }];
  }
  return [
    { directory: join(cgroups.memory, name), files: { 'memory.limit_in_bytes': bytes } },
    {
      directory: join(cgroups.cpu, name),
      files: { 'cpu.cfs_period_us': `${PERIOD_US}`, 'cpu.cfs_quota_us': quota },
    },
    { directory: join(cgroups.pids, name), files: { 'pids.max': tasks } },
  ];
}

/** After: the groups are there with their limits. Returns the files that a process joins them by. */
export async function makeGroups(groups: readonly Group[]): Promise<readonly string[]> {
  for (const { directory, files } of groups) {
    await mkdir(directory, { recursive: true });
    for (const [name, value] of Object.entries(files)) await writeFile(join(directory, name), value);
  }
  return groups.map(({ directory }) => join(directory, 'cgroup.procs'));
}

/** After: the directories are gone. The kernel keeps one while its last process is being cleared away. */
export async function removeGroups(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    const gone = async () => {
      await rmdir(directory).catch(() => undefined);
      return access(directory).then(
        () => false,
        () => true,
      );
    };
    await until(gone, { withinMs: REMOVE_MS });
  }
}
