import { createHash } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestImages } from './seat-disks.ts';

const MADE_FROM = 'made-from';
/** Those that were used last are kept, so many; each takes up some hundred MiB. */
const KEPT = 6;
const ABANDONED_MS = 3_600_000;

/** What a saved guest was made from. */
export interface MadeFrom {
  readonly images: GuestImages;
  /** Which files these were. */
  readonly identity: string;
}

/** Whether the files that it was made from have been replaced since. */
export async function isStale(from: MadeFrom): Promise<boolean> {
  return identity(from.images).then(
    (now) => now !== from.identity,
    () => true,
  );
}

/** Removes those of images that are no more, and those that nobody has used for long, but for the last ones. */
export async function removeStale(parent: string): Promise<void> {
  const current: { path: string; used: number }[] = [];
  for (const name of await readdir(parent)) {
    const path = join(parent, name);
    const found = await stat(path).catch(() => undefined);
    if (!found) continue;
    // One that is being made by another server is no saved guest yet.
    if (name.endsWith('.new') && Date.now() - found.mtimeMs < ABANDONED_MS) continue;
    const from = await madeFrom(path);
    if (from === undefined || (await isStale(from))) await rm(path, { recursive: true, force: true });
    else current.push({ path, used: found.mtimeMs });
  }
  const old = current.toSorted((a, b) => b.used - a.used).slice(KEPT - 1);
  for (const { path } of old) await rm(path, { recursive: true, force: true });
}

export function writeMadeFrom(directory: string, from: MadeFrom): Promise<void> {
  return writeFile(join(directory, MADE_FROM), JSON.stringify(from));
}

async function madeFrom(directory: string): Promise<MadeFrom | undefined> {
  try {
    return JSON.parse(await readFile(join(directory, MADE_FROM), 'utf8')) as MadeFrom;
  } catch {
    return undefined;
  }
}

/** The images are replaced as whole files, so which they are is told without reading them. */
export async function identity(images: GuestImages): Promise<string> {
  const files = await Promise.all(
    [images.kernel, images.initrd, images.rootfs].map((path) => stat(path, { bigint: true })),
  );
  return hash(files.map(({ dev, ino, size, mtimeNs }) => [dev, ino, size, mtimeNs].join()));
}

export function hash(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24);
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
