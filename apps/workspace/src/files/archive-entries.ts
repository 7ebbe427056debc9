import { close, constants, openSync, unlinkSync, write } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { PublicError } from '@clarateach/contract/errors';
import { temporaryName } from './entries.ts';
import type { Tree } from './tree.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR } = constants;
const closeFile = promisify(close);
const writeFile = promisify(write);

/** What one archive may bring; more is `too_large`. */
export interface ArchiveLimits {
  readonly entries: number;
  /** Bytes of all files together, unpacked. */
  readonly bytes: number;
}

/** One entry, as its archive describes it; nothing of that has been checked. */
export interface ArchiveEntry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'other';
  readonly mode: number | undefined;
  readonly target: string;
  readonly content: () => Promise<NodeJS.ReadableStream>;
}

export function tooMuch(what: string): PublicError {
  return new PublicError(
    'too_large',
    `The archive holds ${what}, which is more than a workspace takes at once.`,
  );
}

/** Hands over each entry of the body, a tar.gz or a zip archive, and goes on when it is taken. */
export async function readEntries(
  tree: Tree,
  base: readonly string[],
  request: IncomingMessage,
  limits: ArchiveLimits,
  take: (entry: ArchiveEntry) => Promise<void>,
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

async function readTar(
  body: AsyncGenerator<Buffer>,
  take: (entry: ArchiveEntry) => Promise<void>,
): Promise<void> {
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
  take: (entry: ArchiveEntry) => Promise<void>,
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

async function zipEntry(zip: ZipReader, entry: ZipEntry): Promise<ArchiveEntry> {
  const name = entry.fileName.toString();
  const unix = entry.versionMadeBy >> 8 === MADE_ON_UNIX ? entry.externalFileAttributes >>> 16 : 0;
  const format = unix & constants.S_IFMT;
  let type: ArchiveEntry['type'] = 'file';
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
