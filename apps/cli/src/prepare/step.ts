import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Output } from '../output.ts';
import { STATE_DIRECTORY } from '../root.ts';

/** Tells that something long goes on, and how long it took. */
export async function step<T>(output: Output, title: string, work: () => Promise<T>): Promise<T> {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  output.note(`${title} …`);
  const progress = setInterval(() => output.note(`  still at it (${seconds()} s)`), 15_000);
  try {
    const result = await work();
    output.note(`  done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(progress);
  }
}

/** Tells the lines of a build as they come, without npm's remarks on what nobody here can change. */
export function buildLines(output: Output): (line: string) => void {
  return (line) => {
    if (!line.startsWith('npm warn')) output.note(`  ${line}`);
  };
}

/** What was built last, by the hash of what it was built from. */
const stampFile = (name: string) => join(STATE_DIRECTORY, 'stamps', name);

export async function isStamped(name: string, hash: string): Promise<boolean> {
  return (await readFile(stampFile(name), 'utf8').catch(() => '')) === hash;
}

export async function stamp(name: string, hash: string): Promise<void> {
  await mkdir(join(STATE_DIRECTORY, 'stamps'), { recursive: true });
  await writeFile(stampFile(name), hash);
}
