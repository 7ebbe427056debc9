import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const LOCK_FILE = 'server.lock';
const HOLDER_FILE = 'server.pid';

export interface DataDirectory {
  /** Notes where the server is reached, for commands beside it. */
  serves(url: string): void;
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
    serves(url) {
      writeFileSync(holder, `${process.pid}\n${url}\n`);
    },
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

/** The address of the server that runs on the directory; undefined when none does. */
export function servedAt(path: string): string | undefined {
  const { process: holder, url } = noted(join(path, HOLDER_FILE));
  if (holder === undefined) return undefined;
  try {
    process.kill(holder, 0);
  } catch (error) {
    // Another user's process is alive, too.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  return url;
}

function heldBy(file: string): string {
  const { process: holder } = noted(file);
  return holder === undefined ? '' : ` (process ${holder})`;
}

/** What whoever has the directory wrote down: its process, and its address on a line of its own once it has one. */
function noted(file: string): { process?: number; url?: string } {
  try {
    const [first = '', url] = readFileSync(file, 'utf8').split('\n');
    return { process: Number.parseInt(first, 10), ...(url ? { url } : {}) };
  } catch {
    return {};
  }
}
