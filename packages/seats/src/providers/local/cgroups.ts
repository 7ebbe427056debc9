import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SeatLimits } from '../../provider.ts';
import { until } from './processes.ts';

const ROOT = '/sys/fs/cgroup';
/** Period of the processor quota, in microseconds. */
const PERIOD_US = 100_000;

type Settings = (limits: SeatLimits) => readonly (readonly [file: string, value: string])[];

/** A directory that holds one seat's processes; a process enters by writing itself into its `cgroup.procs`. */
export interface CgroupPlace {
  readonly directory: string;
  readonly settings: Settings;
}

/** Version 1 has a tree for each of these. */
const LEGACY: Readonly<Record<string, Settings>> = {
  memory: ({ memoryMiB }) => [['memory.limit_in_bytes', `${memoryMiB * 1024 * 1024}`]],
  pids: ({ processes }) => [['pids.max', `${processes}`]],
  cpu: ({ cpus }) => [
    ['cpu.cfs_period_us', `${PERIOD_US}`],
    ['cpu.cfs_quota_us', `${Math.round(cpus * PERIOD_US)}`],
  ],
};

const UNIFIED: Settings = ({ memoryMiB, processes, cpus }) => [
  ['memory.max', `${memoryMiB * 1024 * 1024}`],
  ['pids.max', `${processes}`],
  ['cpu.max', `${Math.round(cpus * PERIOD_US)} ${PERIOD_US}`],
];

/**
 * Where the cgroups of a seat would lie, by the kernel's version 2 or 1; none where there are no
 * cgroups. Nothing is made yet: whoever makes them writes down first where to find them.
 */
export async function planCgroups(name: string): Promise<CgroupPlace[]> {
  const own = await ownCgroups();
  const unified = own.find((cgroup) => cgroup.controllers.length === 0)?.path;
  if (unified !== undefined) {
    // A cgroup with processes of its own cannot have bounded children, so seats go beside ours.
    const parent = join(ROOT, unified === '/' ? '/' : dirname(unified));
    const enabled = await readFile(join(parent, 'cgroup.subtree_control'), 'utf8').catch(() => '');
    if (['memory', 'pids', 'cpu'].every((controller) => enabled.split(/\s+/).includes(controller)))
      return [{ directory: join(parent, name), settings: UNIFIED }];
  }
  return Object.entries(LEGACY).flatMap(([controller, settings]) => {
    const path = own.find((cgroup) => cgroup.controllers.includes(controller))?.path;
    return path === undefined ? [] : [{ directory: join(ROOT, controller, path, name), settings }];
  });
}

/** Makes them and sets the limits. Where this user may not, rlimits are all there is. */
export async function makeCgroups(places: readonly CgroupPlace[], limits: SeatLimits): Promise<void> {
  try {
    for (const { directory, settings } of places) {
      await mkdir(directory).catch(unlessItExists);
      for (const [file, value] of settings(limits)) await writeFile(join(directory, file), value);
    }
  } catch {
    await removeCgroups(places.map((place) => place.directory));
  }
}

/** Removes what is there of them; their processes must be gone. */
export async function removeCgroups(directories: readonly string[]): Promise<void> {
  // The kernel lets go of a cgroup a moment after its last process.
  for (const directory of directories) await until(() => removed(directory), { withinMs: 2_000 });
}

interface OwnCgroup {
  /** Empty for version 2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

async function ownCgroups(): Promise<OwnCgroup[]> {
  const lines = (await readFile('/proc/self/cgroup', 'utf8').catch(() => '')).trim().split('\n');
  return lines.filter(Boolean).map((line) => {
    const [, controllers = '', ...path] = line.split(':');
    return { controllers: controllers.split(',').filter(Boolean), path: path.join(':') };
  });
}

function unlessItExists(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function removed(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    // Only one that is still in use is worth another look.
    return (error as NodeJS.ErrnoException).code !== 'EBUSY';
  }
}
