import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';
import { ROOT, STATE_DIRECTORY } from '../root.ts';
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
  await requireOwnCheckout();
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

async function requireOwnCheckout(): Promise<void> {
  try {
    await mkdir(STATE_DIRECTORY, { recursive: true });
    await access(STATE_DIRECTORY, constants.W_OK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw cause;
    throw new CommandError(
      `What seats need is built in ${ROOT}, where this user may not write. Give the checkout to the user that runs ClaraTeach, as root: chown -R USER ${ROOT}`,
      { cause },
    );
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
