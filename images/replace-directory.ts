import { readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A directory beside `target` for a build of this process; what killed builds left there is removed. */
export function directoryBeside(target: string): string {
  const prefix = `${basename(target)}.next-`;
  for (const name of readdirSync(dirname(target))) {
    if (!name.startsWith(prefix)) continue;
    const pid = Number.parseInt(name.slice(prefix.length), 10);
    if (pid === process.pid || !isAlive(pid))
      rmSync(join(dirname(target), name), { recursive: true, force: true });
  }
  return `${target}.next-${process.pid}`;
}

/** Puts `next` in the place of `target`: whoever reads there finds the old files or the new ones, never half of them. */
export function replaceDirectory(next: string, target: string): void {
  const old = `${next}-old`;
  for (;;) {
    try {
      renameSync(target, old);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    try {
      renameSync(next, target);
      break;
    } catch (error) {
      // Another build was put there in between: this one is later.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
      rmSync(old, { recursive: true, force: true });
    }
  }
  rmSync(old, { recursive: true, force: true });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
