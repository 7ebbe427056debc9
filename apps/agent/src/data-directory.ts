import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface AgentDirectory {
  readonly path: string;
  /** A random name of this agent, made at its first start; it marks what the runtime holds for it. */
  readonly id: string;
  release(): void;
}

/**
 * Makes the directory and takes it for this agent alone; the operating system drops the lock when the
 * process ends, however it ends. Throws with one clear line.
 */
export function takeAgentDirectory(path: string): AgentDirectory {
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    lock = new DatabaseSync(join(path, 'agent.lock'));
    lock.exec('pragma locking_mode = exclusive; begin exclusive;');
    const held = lock;
    return { path, id: ownId(join(path, 'agent.id')), release: () => held.close() };
  } catch (cause) {
    lock?.close();
    const { message } = cause as Error;
    throw new Error(
      /locked|busy/i.test(message)
        ? `Another agent uses the data directory ${path}. Stop it first, or give this one a directory of its own with --data or DATA_DIR.`
        : `The data directory ${path} cannot be used: ${message}. Choose another with --data or DATA_DIR.`,
      { cause },
    );
  }
}

function ownId(file: string): string {
  try {
    writeFileSync(file, randomUUID(), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFileSync(file, 'utf8').trim();
}
