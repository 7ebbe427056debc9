import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  type Dirent,
  promises as fs,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { PublicError } from '@clarateach/contract/errors';
import type { FileEntry } from '@clarateach/contract/files';
import type { Tree } from './tree.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const TEMPORARY = '.clarateach-';

/** The name of a file that is being written, or of a directory that is being removed; hidden from lists and watchers. */
export function temporaryName(): string {
  return `${TEMPORARY}${randomBytes(9).toString('base64url')}`;
}

export function isTemporary(name: string): boolean {
  return name.length === TEMPORARY.length + 12 && name.startsWith(TEMPORARY);
}

export function entryOf(name: string, stat: Stats): FileEntry | undefined {
  const type = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : stat.isSymbolicLink()
        ? 'symlink'
        : undefined;
  // Sockets, pipes and devices are nothing that the files API can do anything with.
  if (type === undefined) return undefined;
  return { name, type, size: stat.size, mtimeMs: Math.floor(stat.mtimeMs), mode: stat.mode & 0o7777 };
}

/** Entries of a directory; a symbolic link is listed as what it is, with its own size. */
export async function list(tree: Tree, path: string): Promise<FileEntry[]> {
  const directory = tree.openDirectory(path);
  try {
    const entries: FileEntry[] = [];
    for (const name of await fs.readdir(`/proc/self/fd/${directory}`)) {
      if (isTemporary(name)) continue;
      const stat = lstatSync(`/proc/self/fd/${directory}/${name}`, { throwIfNoEntry: false });
      const entry = stat && entryOf(name, stat);
      if (entry !== undefined) entries.push(entry);
    }
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } finally {
    closeSync(directory);
  }
}

export function makeDirectory(tree: Tree, path: string): void {
  const place = tree.place(path, { last: 'link', makeParents: true });
  try {
    if (place.name === '') throw new PublicError('already_exists', 'The workspace itself is there already.');
    mkdirSync(place.path);
  } finally {
    place.close();
  }
}

/** Renames without ever replacing anything: `already_exists` when there is something at `to`. */
export function move(tree: Tree, from: string, to: string): void {
  const source = tree.place(from, { last: 'link' });
  try {
    const stat = lstatSync(source.path);
    if (source.name === '') throw rootRefused('moved');
    const target = tree.place(to, { last: 'link', makeParents: true });
    try {
      if (target.name === '')
        throw new PublicError('already_exists', 'There is something of this name already.');
      const there = lstatSync(target.path, { throwIfNoEntry: false });
      if (there !== undefined) {
        if (there.ino === stat.ino && there.dev === stat.dev && stat.nlink === 1) return;
        throw new PublicError(
          'already_exists',
          'There is something of this name already. Choose another name, or remove it first.',
        );
      }
      if (stat.isDirectory() || !linkInstead(source.path, target.path)) renameSync(source.path, target.path);
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

/** A hard link fails where the name is taken, which rename does not. False where the file system has none. */
function linkInstead(from: string, to: string): boolean {
  try {
    linkSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (
      code === 'EPERM' ||
      code === 'EOPNOTSUPP' ||
      code === 'ENOSYS' ||
      code === 'EXDEV' ||
      code === 'EMLINK'
    )
      return false;
    throw error;
  }
  unlinkSync(from);
  return true;
}

/** Deeper directories are first moved up, so that no tree is too deep for the open files of a seat. */
const MAX_DEPTH = 40;

/** Removes a file, a link, or a directory with all that is in it. */
export async function remove(tree: Tree, path: string): Promise<void> {
  const place = tree.place(path, { last: 'link' });
  try {
    if (place.name === '') throw rootRefused('removed');
    const stat = lstatSync(place.path);
    if (!stat.isDirectory()) {
      unlinkSync(place.path);
      return;
    }
    // Out of sight first: a directory is seen whole or not at all.
    const hidden = `/proc/self/fd/${place.directory}/${temporaryName()}`;
    renameSync(place.path, hidden);
    try {
      await removeDirectory(hidden);
    } catch (error) {
      // What could not be removed must not stay out of sight.
      if (lstatSync(place.path, { throwIfNoEntry: false }) === undefined) renameSync(hidden, place.path);
      throw error;
    }
  } finally {
    place.close();
  }
}

async function removeDirectory(path: string): Promise<void> {
  const top = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    const empty = async (directory: number, depth: number): Promise<void> => {
      const base = `/proc/self/fd/${directory}`;
      for (;;) {
        const entries: Dirent[] = await fs.readdir(base, { withFileTypes: true });
        if (entries.length === 0) return;
        for (const entry of entries) {
          const child = `${base}/${entry.name}`;
          if (!entry.isDirectory()) await unlink(child);
          else if (depth >= MAX_DEPTH) await fs.rename(child, `/proc/self/fd/${top}/${temporaryName()}`);
          else {
            const descriptor = openSync(child, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            try {
              await empty(descriptor, depth + 1);
            } finally {
              closeSync(descriptor);
            }
            await fs.rmdir(child);
          }
        }
      }
    };
    await empty(top, 0);
  } finally {
    closeSync(top);
  }
  await fs.rmdir(path);
}

async function unlink(path: string): Promise<void> {
  await fs.unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

function rootRefused(what: string): PublicError {
  return new PublicError('invalid_input', `The workspace itself cannot be ${what}.`, { field: 'path' });
}
