import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BALLAST = 'ballast';
const CHUNK = Buffer.alloc(64 * 1024, 1);

/** Why no disk can be mounted here; undefined when it can. */
export const noMounts = process.getuid?.() === 0 ? undefined : 'NOT RUN: only root may mount a small disk';

/** A disk of its own, so small that it can be filled; gone at the end. */
export interface SmallDisk extends AsyncDisposable {
  readonly directory: string;
  /** After: not one more byte fits. */
  fill(): Promise<void>;
  free(): Promise<void>;
}

export async function mountSmallDisk(mebibytes: number): Promise<SmallDisk> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-disk-'));
  // Its source is named by the directory, so that a seat that has it mounted elsewhere is found.
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=700`, directory, directory]);
  const ballast = join(directory, BALLAST);
  return {
    directory,
    async fill() {
      const file = await open(ballast, 'a');
      try {
        for (;;) await file.write(CHUNK);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      } finally {
        await file.close();
      }
    },
    free: () => rm(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      await run('umount', [directory]);
      await rmdir(directory);
    },
  };
}
