import { lstatSync, mkdirSync, symlinkSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PublicError } from '@clarateach/contract/errors';
import { type ArchiveEntry, type ArchiveLimits, readEntries, tooMuch } from './archive-entries.ts';
import { AtomicFile } from './content.ts';
import { isNoSpace } from './system-errors.ts';
import { components, type Tree } from './tree.ts';

const ARCHIVE_LIMITS: ArchiveLimits = { entries: 100_000, bytes: 4 * 1024 ** 3 };

/** What was done. Entries that cannot be had in a workspace are left out, and named. */
export interface Unpacked {
  entries: number;
  bytes: number;
  skipped: { path: string; reason: string }[];
}
/** Names of left-out entries in an answer. */
const MAX_NAMED = 100;

/**
 * Unpacks the body below `path`, entry by entry. Every file appears whole or not at all; when the
 * archive is refused half-way (a path that leads out, a full disk, damage, too much), what was
 * unpacked before stays, and the message says how much it is.
 */
export async function receiveArchive(
  tree: Tree,
  path: string,
  request: IncomingMessage,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<Unpacked> {
  const base = components(path);
  const done: Unpacked = { entries: 0, bytes: 0, skipped: [] };
  const links: { parts: string[]; name: string; target: string }[] = [];
  let seen = 0;

  const skip = (name: string, reason: string) => {
    if (done.skipped.length < MAX_NAMED) done.skipped.push({ path: name, reason });
  };
  const take = async (entry: ArchiveEntry): Promise<void> => {
    seen += 1;
    if (seen > limits.entries) throw tooMuch(`more than ${limits.entries} entries`);
    const inside = components(entry.name);
    const parts = [...base, ...inside];
    if (entry.type === 'directory') makeDirectories(tree, parts);
    else if (inside.length === 0) return skip(entry.name, 'It has no name.');
    else if (entry.type === 'symlink') {
      if (!staysInside(parts, entry.target)) return skip(entry.name, 'The link leads out of the workspace.');
      links.push({ parts, name: entry.name, target: entry.target });
      return;
    } else if (entry.type === 'file') {
      await unpackFile(tree, parts, entry, (count) => {
        done.bytes += count;
        if (done.bytes > limits.bytes) throw tooMuch(`more than ${limits.bytes} bytes of files`);
      });
    } else return skip(entry.name, 'Only files, directories and symbolic links are unpacked.');
    done.entries += 1;
  };

  try {
    await readEntries(tree, base, request, limits, take);
    // Links come last: no entry of this archive can have been written through one of them.
    for (const { parts, name, target } of links) {
      if (makeLink(tree, parts, target)) done.entries += 1;
      else skip(name, 'There is something of this name already.');
    }
    return done;
  } catch (error) {
    throw refused(error, done);
  }
}

function refused(error: unknown, done: Unpacked): unknown {
  const stays =
    done.entries === 0 ? 'Nothing was unpacked.' : `${done.entries} entries were unpacked before and stay.`;
  if (isNoSpace(error)) {
    return new PublicError(
      'no_space',
      `The disk of this seat is full. ${stays} Remove some files and try again.`,
      { cause: error },
    );
  }
  if (error instanceof PublicError)
    return new PublicError(error.code, `${error.message} ${stays}`, { cause: error });
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST' || code === 'EISDIR' || code === 'ENOTDIR') {
    return new PublicError(
      'already_exists',
      `A file stands where the archive has a directory, or the other way round. ${stays}`,
      { cause: error },
    );
  }
  // What is left without a system call is the archive's own: damaged, cut off, or of another format.
  if (syscall === undefined) {
    return new PublicError('invalid_input', `The archive is damaged or not complete. ${stays}`, {
      cause: error,
    });
  }
  return error;
}

function makeDirectories(tree: Tree, parts: readonly string[]): void {
  const place = tree.placeBelow(parts, { makeParents: true });
  try {
    if (place.name === '' || lstatSync(place.path, { throwIfNoEntry: false })?.isDirectory()) return;
    mkdirSync(place.path);
  } finally {
    place.close();
  }
}

async function unpackFile(
  tree: Tree,
  parts: readonly string[],
  entry: ArchiveEntry,
  count: (bytes: number) => void,
): Promise<void> {
  const place = tree.placeBelow(parts, { makeParents: true });
  try {
    const file = new AtomicFile(place, entry.mode === undefined ? undefined : entry.mode & 0o777);
    try {
      const into = new Writable({
        write: (part: Buffer, _encoding, done) => {
          try {
            count(part.length);
          } catch (error) {
            done(error as Error);
            return;
          }
          file.write(part).then(() => done(), done);
        },
      });
      await pipeline(await entry.content(), into);
      await file.commit({ durable: false });
    } finally {
      await file.close();
    }
  } finally {
    place.close();
  }
}

/** Whether a link at `parts` leads to a place in the workspace, whatever the links there are. */
function staysInside(parts: readonly string[], target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  let depth = parts.length - 1;
  for (const part of target.split('/')) {
    if (part === '..') depth -= 1;
    else if (part !== '' && part !== '.') depth += 1;
    if (depth < 0) return false;
  }
  return true;
}

function makeLink(tree: Tree, parts: readonly string[], target: string): boolean {
  const place = tree.placeBelow(parts, { makeParents: true });
  try {
    symlinkSync(target, place.path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    place.close();
  }
}
