import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const LOCK_FILE = 'server.lock';
const HOLDER_FILE = 'server.pid';

export interface DataDirectory {
  release(): void;
}

/**
 * Makes the directory and takes it for this server alone. The operating system holds the lock and
 * drops it when the process ends, however it ends; who holds it is written beside it, for people.
 * Throws with one clear line.
 */
export function takeDataDirectory(path: string): DataDirectory {
  const holder = join(path, HOLDER_FILE);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Error(
      `The data directory ${path} cannot be made: ${(cause as Error).message}. Choose another with DATA_DIR or --data.`,
      { cause },
    );
  }
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(path, LOCK_FILE));
    lock.exec('pragma locking_mode = exclusive; begin exclusive;');
    writeFileSync(holder, `${process.pid}\n`);
  } catch (cause) {
    lock?.close();
    const message = (cause as Error).message;
    if (!/locked|busy/i.test(message)) {
      throw new Error(
        `The data directory ${path} cannot be used: ${message}. Is it writable for you, and is there space left?`,
        { cause },
      );
    }
    throw new Error(
      `Another ClaraTeach server${heldBy(holder)} uses the data directory ${path}. ` +
        'Use that one, stop it first, or give this one a directory of its own with --data or DATA_DIR.',
      { cause },
    );
  }
  return {
    release() {
      rmSync(holder, { force: true });
      lock.close();
    },
  };
}

/** Throws the same clear line when a server runs on the directory; takes nothing, and makes none. */
export function requireUnserved(path: string): void {
  if (existsSync(join(path, HOLDER_FILE))) takeDataDirectory(path).release();
}

function heldBy(file: string): string {
  try {
    return ` (process ${Number.parseInt(readFileSync(file, 'utf8'), 10)})`;
  } catch {
    return '';
  }
}
