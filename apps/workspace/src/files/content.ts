import {
  type BigIntStats,
  close,
  closeSync,
  constants,
  createReadStream,
  fchmodSync,
  fstatSync,
  fsync,
  linkSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  write,
} from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { PublicError } from '@clarateach/contract/errors';
import { temporaryName } from './entries.ts';
import { outside, type Place, type Tree } from './tree.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY, O_DIRECTORY } = constants;
const syncFile = promisify(fsync);
const closeFile = promisify(close);

/** Strong: every write through this API makes a new inode, every other one a new time. */
export function etagOf(stat: BigIntStats): string {
  return `"${stat.ino.toString(36)}-${stat.mtimeNs.toString(36)}-${stat.size.toString(36)}"`;
}

/** `GET` and `HEAD` of a file's bytes. */
export async function sendContent(
  tree: Tree,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const place = tree.place(path, { last: 'target' });
  let descriptor: number;
  try {
    // Not blocking: a pipe without a writer must not hold a thread.
    descriptor = openSync(place.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } finally {
    place.close();
  }
  let streaming = false;
  try {
    const stat = fstatSync(descriptor, { bigint: true });
    requireFile(stat);
    const size = Number(stat.size);
    const etag = etagOf(stat);
    const headers: Record<string, string | number> = {
      etag,
      'accept-ranges': 'bytes',
      'last-modified': new Date(Number(stat.mtimeMs)).toUTCString(),
      'cache-control': 'private, no-cache',
      // A learner's file is never a page of the platform's own origin.
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
    };
    const ifMatch = request.headers['if-match'];
    if (ifMatch !== undefined && !matches(ifMatch, etag)) throw changed('Nothing was sent');
    if (matches(request.headers['if-none-match']?.replaceAll('W/', ''), etag)) {
      response.writeHead(304, headers).end();
      return;
    }
    const ifRange = request.headers['if-range'];
    const range =
      ifRange === undefined || ifRange === etag ? parseRange(request.headers.range, size) : undefined;
    if (range === 'unsatisfiable') {
      response.setHeader('content-range', `bytes */${size}`);
      throw new PublicError(
        'range_not_satisfiable',
        `The file has ${size} bytes; the range lies beyond them.`,
      );
    }
    const { start, end } = range ?? { start: 0, end: size - 1 };
    if (range !== undefined) headers['content-range'] = `bytes ${start}-${end}/${size}`;
    headers['content-length'] = end - start + 1;
    response.writeHead(range === undefined ? 200 : 206, headers);
    if (request.method === 'HEAD' || end < start) {
      response.end();
      return;
    }
    streaming = true;
    await pipeline(createReadStream('', { fd: descriptor, start, end }), response);
  } finally {
    if (!streaming) closeSync(descriptor);
  }
}

/** One range of a `Range` header; undefined (the whole file) for none, for several and for other units. */
function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.replaceAll(' ', '') ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  const first = match[1] === '' ? undefined : Number(match[1]);
  const last = match[2] === '' ? undefined : Number(match[2]);
  if (first === undefined) {
    return last === 0 || size === 0
      ? 'unsatisfiable'
      : { start: Math.max(0, size - (last ?? 0)), end: size - 1 };
  }
  if (last !== undefined && last < first) return undefined;
  if (first >= size) return 'unsatisfiable';
  return { start: first, end: Math.min(last ?? size - 1, size - 1) };
}

function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((each) => each.trim() === '*' || each.trim() === etag);
}

/** Writes in several parts land on disk whole, or not at all. Close every one. */
export class AtomicFile {
  readonly #place: Place;
  readonly #temporary: string;
  readonly #descriptor: number;
  #done = false;
  bytes = 0;

  /** `mode`: permission bits of a file that is new; one that is there keeps its own. */
  constructor(place: Place, mode?: number) {
    this.#place = place;
    this.#temporary = `/proc/self/fd/${place.directory}/${temporaryName()}`;
    const old = lstatSync(place.path, { throwIfNoEntry: false });
    this.#descriptor = openSync(this.#temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
    const bits = old?.isFile() ? old.mode & 0o7777 : mode;
    try {
      if (bits !== undefined) fchmodSync(this.#descriptor, bits);
    } catch {
      // A file system without permissions.
    }
  }

  async write(data: Buffer): Promise<void> {
    let from = 0;
    while (from < data.length) {
      from += await new Promise<number>((done, failed) => {
        write(this.#descriptor, data, from, data.length - from, null, (error, count) => {
          if (error === null) done(count);
          else failed(error);
        });
      });
    }
    this.bytes += data.length;
  }

  /**
   * Puts the file in its place and returns what it is then. `check` is called in the same turn as the
   * rename and refuses by throwing; `createOnly` refuses whatever is there.
   */
  async commit(
    options: { check?: () => void; createOnly?: boolean; durable?: boolean } = {},
  ): Promise<BigIntStats> {
    if (options.durable !== false) await syncFile(this.#descriptor);
    options.check?.();
    if (options.createOnly) {
      linkSync(this.#temporary, this.#place.path);
      unlinkSync(this.#temporary);
    } else renameSync(this.#temporary, this.#place.path);
    this.#done = true;
    const stat = fstatSync(this.#descriptor, { bigint: true });
    if (options.durable !== false) await syncDirectory(this.#place);
    return stat;
  }

  /** Leaves nothing behind unless it was committed. */
  async close(): Promise<void> {
    await closeFile(this.#descriptor);
    if (this.#done) return;
    this.#done = true;
    try {
      unlinkSync(this.#temporary);
    } catch {
      // It was removed together with its directory.
    }
  }
}

async function syncDirectory(place: Place): Promise<void> {
  const descriptor = openSync(`/proc/self/fd/${place.directory}/.`, O_RDONLY | O_DIRECTORY);
  try {
    await syncFile(descriptor);
  } finally {
    await closeFile(descriptor);
  }
}

/** `PUT` of a file's bytes. The old file is whole until the new one is. */
export async function receiveContent(
  tree: Tree,
  path: string,
  request: IncomingMessage,
): Promise<{ created: boolean; stat: BigIntStats }> {
  const ifMatch = request.headers['if-match'];
  const createOnly = matches(request.headers['if-none-match'], '*');
  const place = tree.place(path, { last: 'target', makeParents: true });
  try {
    if (place.name === '') throw new PublicError('invalid_input', 'This path is a directory, not a file.');
    let created = true;
    const check = () => {
      const now = lstatSync(place.path, { bigint: true, throwIfNoEntry: false });
      if (now?.isSymbolicLink()) throw outside();
      if (now !== undefined) requireFile(now);
      created = now === undefined;
      if (createOnly && now !== undefined) throw changed();
      if (ifMatch !== undefined && !(now !== undefined && matches(ifMatch, etagOf(now)))) throw changed();
    };
    check();
    const file = new AtomicFile(place);
    try {
      await readBody(request, (part) => file.write(part));
      const stat = await file.commit({ check, createOnly }).catch((error: NodeJS.ErrnoException) => {
        throw createOnly && error.code === 'EEXIST' ? changed() : error;
      });
      return { created, stat };
    } finally {
      await file.close();
    }
  } finally {
    place.close();
  }
}

function changed(safe = 'Nothing was written'): PublicError {
  return new PublicError(
    'precondition_failed',
    `The file is not the one you last read: it was changed, made or removed meanwhile. ${safe}; read it again.`,
  );
}

function requireFile(stat: BigIntStats): void {
  if (stat.isDirectory()) throw new PublicError('invalid_input', 'This path is a directory, not a file.');
  if (!stat.isFile()) throw new PublicError('invalid_input', 'This path is not a regular file.');
}

/**
 * Gives a body part by part, the next after the last was taken. On a failure the request is left
 * readable, so that an answer can still be sent.
 */
export async function readBody(
  request: IncomingMessage,
  take: (part: Buffer) => Promise<void>,
): Promise<void> {
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)
    await take(part);
  if (!request.complete)
    throw new PublicError('invalid_input', 'The upload broke off. Nothing was changed; send it again.');
}
