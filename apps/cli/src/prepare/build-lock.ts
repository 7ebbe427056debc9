import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Output } from '../output.ts';
import { STATE_DIRECTORY } from '../root.ts';
import { interruptible } from '../signals.ts';

const LOOK_AGAIN_MS = 250;

/**
 * Runs `work` while no other process builds in this checkout. The lock is SQLite's own on an empty
 * file: the operating system drops it when the process ends, however it ends.
 */
export async function whileBuilding<T>(
  output: Output,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(STATE_DIRECTORY, { recursive: true });
  const lock = new DatabaseSync(join(STATE_DIRECTORY, 'build.lock'), { timeout: 0 });
  try {
    for (let told = false; !taken(lock); told = true) {
      signal.throwIfAborted();
      if (!told) output.note('Another clarateach is building in this checkout; waiting for it.');
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    return await interruptible(signal, work);
  } finally {
    lock.close();
  }
}

function taken(lock: DatabaseSync): boolean {
  const SQLITE_BUSY = 5;
  try {
    lock.exec('begin exclusive');
    return true;
  } catch (error) {
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return false;
    throw error;
  }
}
