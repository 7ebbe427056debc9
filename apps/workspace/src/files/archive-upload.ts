import { close, constants, lstatSync, mkdirSync, openSync, symlinkSync, unlinkSync, write } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { PublicError } from '@clarateach/contract/errors';
import { AtomicFile } from './content.ts';
import { temporaryName } from './entries.ts';
import { isNoSpace } from './system-errors.ts';
import { components, type Tree } from './tree.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
const closeFile = promisify(close);
const writeFile = promisify(write);

/** What one archive may bring; more is `too_large`. */
export interface ArchiveLimits {
  readonly entries: number;
  /** Bytes of all files together, unpacked. */
  readonly bytes: number;
}

export const ARCHIVE_LIMITS: ArchiveLimits = { entries: 100_000, bytes: 4 * 1024 ** 3 };

/** What was done. Entries that cannot be had in a workspace are left out, and named. */
export interface Unpacked {
  entries: number;
  bytes: number;
  skipped: { path: string; reason: string }[];
}
/** Names of left-out entries in an answer. */
const MAX_NAMED = 100;

interface Entry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly mode: number | undefined;
  readonly target: string;
  readonly content: () => Promise<NodeJS.ReadableStream>;
}

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
  const take = async (entry: Entry): Promise<void> => {
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

function tooMuch(what: string): PublicError {
  return new PublicError(
    'too_large',
    `The archive holds ${what}, which is more than a workspace takes at once.`,
  );
}

async function readEntries(
  tree: Tree,
  base: readonly string[],
  request: IncomingMessage,
  limits: ArchiveLimits,
  take: (entry: Entry) => Promise<void>,
): Promise<void> {
  const parts = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>;
  let start = Buffer.alloc(0);
  while (start.length < 4) {
    const next = await parts.next();
    if (next.done) break;
    start = Buffer.concat([start, next.value]);
  }
  async function* body(): AsyncGenerator<Buffer> {
    yield start;
    for await (const part of parts) yield part;
  }
  if (start[0] === 0x1f && start[1] === 0x8b) await readTar(body(), take);
  else if (start[0] === 0x50 && start[1] === 0x4b) await readZip(tree, base, body(), limits, take);
  else throw new PublicError('invalid_input', 'The body is neither a tar.gz nor a zip archive.');
}

async function readTar(body: AsyncGenerator<Buffer>, take: (entry: Entry) => Promise<void>): Promise<void> {
  const { extract } = await import('tar-stream');
  const entries = extract();
  const read = pipeline(Readable.from(body, { objectMode: false }), createGunzip(), entries);
  read.catch((error: Error) => entries.destroy(error));
  for await (const stream of entries) {
    const { header } = stream;
    const type = header.type ?? 'file';
    await take({
      name: header.name,
      type:
        type === 'file' || type === 'contiguous-file'
          ? 'file'
          : type === 'directory' || type === 'symlink'
            ? type
            : 'other',
      mode: header.mode,
      target: header.linkname ?? '',
      content: async () => stream as unknown as Readable,
    });
    stream.resume();
  }
  await read;
}

/** A zip's list of entries is at its end, so it is first put aside: in a file without a name, in the workspace. */
async function readZip(
  tree: Tree,
  base: readonly string[],
  body: AsyncGenerator<Buffer>,
  limits: ArchiveLimits,
  take: (entry: Entry) => Promise<void>,
): Promise<void> {
  const { fromFdPromise } = (await import('yauzl')) as unknown as {
    fromFdPromise(descriptor: number, options: object): Promise<ZipReader>;
  };
  const place = tree.placeBelow([...base, temporaryName()], { makeParents: true });
  let descriptor: number;
  try {
    descriptor = openSync(place.path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    unlinkSync(place.path);
  } finally {
    place.close();
  }
  try {
    let size = 0;
    for await (const part of body) {
      size += part.length;
      if (size > limits.bytes) throw tooMuch(`more than ${limits.bytes} bytes`);
      for (let from = 0; from < part.length; ) {
        from += (await writeFile(descriptor, part, from, part.length - from, null)).bytesWritten;
      }
    }
    const zip = await fromFdPromise(descriptor, { autoClose: false, decodeStrings: false });
    if (zip.entryCount > limits.entries) throw tooMuch(`more than ${limits.entries} entries`);
    for await (const entry of zip.eachEntry()) await take(await zipEntry(zip, entry));
  } finally {
    await closeFile(descriptor);
  }
}

/** The part of yauzl 3.4 that is used; its published types are of an older one. */
interface ZipReader {
  readonly entryCount: number;
  eachEntry(): AsyncIterable<ZipEntry>;
  openReadStreamPromise(entry: ZipEntry): Promise<Readable>;
}
interface ZipEntry {
  readonly fileName: Buffer;
  readonly versionMadeBy: number;
  readonly externalFileAttributes: number;
  readonly uncompressedSize: number;
}

const MADE_ON_UNIX = 3;
const MAX_LINK_BYTES = 4096;

async function zipEntry(zip: ZipReader, entry: ZipEntry): Promise<Entry> {
  const name = entry.fileName.toString();
  const unix = entry.versionMadeBy >> 8 === MADE_ON_UNIX ? entry.externalFileAttributes >>> 16 : 0;
  const format = unix & constants.S_IFMT;
  let type: Entry['type'] = 'file';
  if (format === constants.S_IFLNK) type = 'symlink';
  else if (name.endsWith('/') || format === constants.S_IFDIR) type = 'directory';
  else if (format !== 0 && format !== constants.S_IFREG) type = 'other';
  const content = () => zip.openReadStreamPromise(entry);
  let target = '';
  if (type === 'symlink') {
    if (entry.uncompressedSize > MAX_LINK_BYTES) type = 'other';
    else for await (const part of await content()) target += String(part);
  }
  return { name, type, mode: unix === 0 ? undefined : unix & 0o777, target, content };
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
  entry: Entry,
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
