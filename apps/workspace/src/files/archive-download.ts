import {
  closeSync,
  constants,
  createReadStream,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from 'node:fs';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { PublicError } from '@clarateach/contract/errors';
import { isTemporary } from './entries.ts';
import type { Tree } from './tree.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

interface Found {
  /** Relative to the directory that is packed; ends in `/` for a directory. */
  readonly path: string;
  readonly stat: Stats;
  /** Where a symbolic link points; undefined for files and directories. */
  readonly target?: string;
}

/** The learner's home in the workspace: settings, histories and keys of programs, and not the work to take along. */
const HOME = '.home';

/**
 * `GET` of a directory as one stream. Links are packed as links; pipes, sockets and devices are left
 * out, and of the whole workspace also the learner's home.
 */
export async function sendArchive(
  tree: Tree,
  asked: string,
  format: string,
  response: ServerResponse,
): Promise<void> {
  const path = asked === '' ? '.' : asked;
  if (format !== 'zip' && format !== 'tar.gz') {
    throw new PublicError('invalid_input', 'The format is zip or tar.gz.', { field: 'format' });
  }
  closeSync(tree.openDirectory(path));
  const name = path.split('/').findLast((part) => part !== '' && part !== '.') ?? 'workspace';
  response.writeHead(200, {
    'content-type': format === 'zip' ? 'application/zip' : 'application/gzip',
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(`${name}.${format}`)}`,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  if (format === 'zip') await sendZip(tree, path, response);
  else await sendTar(tree, path, response);
}

async function sendZip(tree: Tree, path: string, response: ServerResponse): Promise<void> {
  const { ZipFile } = await import('yazl');
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  const sent = pipeline(output, response);
  // A failure while the walk goes on is reported by the await at the end.
  sent.catch(() => undefined);
  zip.on('error', (error: Error) => output.destroy(error));
  for (const found of walk(tree, path, '')) {
    const options = { mtime: found.stat.mtime, mode: found.stat.mode };
    if (found.target !== undefined) zip.addBuffer(Buffer.from(found.target), found.path, options);
    else if (found.stat.isDirectory()) zip.addEmptyDirectory(found.path, options);
    else {
      zip.addReadStreamLazy(found.path, options, (ready) => {
        try {
          const { descriptor } = openFile(tree, `${path}/${found.path}`);
          ready(null, createReadStream('', { fd: descriptor }));
        } catch {
          // Removed or replaced since it was listed: packed as empty.
          ready(null, Readable.from([]));
        }
      });
    }
    if (response.destroyed) break;
  }
  zip.end();
  await sent;
}

async function sendTar(tree: Tree, path: string, response: ServerResponse): Promise<void> {
  const { pack } = await import('tar-stream');
  const tar = pack();
  const sent = pipeline(tar, createGzip({ level: 6 }), response);
  sent.catch(() => undefined);
  try {
    for (const found of walk(tree, path, '')) {
      const header = { name: found.path, mode: found.stat.mode & 0o7777, mtime: found.stat.mtime };
      if (found.target !== undefined) tar.entry({ ...header, type: 'symlink', linkname: found.target });
      else if (found.stat.isDirectory()) tar.entry({ ...header, type: 'directory' });
      else await packFile(tree, `${path}/${found.path}`, header, tar);
      if (response.destroyed) break;
    }
    tar.finalize();
  } catch (error) {
    tar.destroy(error as Error);
  }
  await sent;
}

/** The header says how many bytes follow, so exactly so many do: what is missing of a file that shrinks is zeros. */
async function packFile(
  tree: Tree,
  path: string,
  header: { name: string; mode: number; mtime: Date },
  tar: import('tar-stream').Pack,
): Promise<void> {
  let opened: { descriptor: number; size: number };
  try {
    opened = openFile(tree, path);
  } catch {
    return; // Removed or replaced since it was listed.
  }
  const { descriptor, size } = opened;
  const entry = tar.entry({ ...header, size });
  await pipeline(exactly(createReadStream('', { fd: descriptor }), size), entry);
}

async function* exactly(source: Readable, size: number): AsyncGenerator<Buffer> {
  let left = size;
  for await (const part of source as AsyncIterable<Buffer>) {
    const taken = part.subarray(0, left);
    left -= taken.length;
    if (taken.length > 0) yield taken;
    if (left === 0) break;
  }
  for (; left > 0; left -= Math.min(left, 65_536)) yield Buffer.alloc(Math.min(left, 65_536));
}

function openFile(tree: Tree, path: string): { descriptor: number; size: number } {
  const place = tree.place(path, { last: 'link' });
  try {
    const descriptor = openSync(place.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fstatSync(descriptor);
    if (stat.isFile()) return { descriptor, size: stat.size };
    closeSync(descriptor);
    throw new PublicError('not_found', 'This is not a file any more.');
  } finally {
    place.close();
  }
}

function* walk(tree: Tree, root: string, below: string): Generator<Found> {
  let directory: number;
  try {
    const place = tree.place(`${root}/${below}`, { last: below === '' ? 'target' : 'link' });
    try {
      directory = openSync(place.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    } finally {
      place.close();
    }
  } catch {
    return; // Removed, replaced by a link, or not readable: the rest is still packed.
  }
  const found: Found[] = [];
  try {
    for (const name of readdirSync(`/proc/self/fd/${directory}`).sort()) {
      if (isTemporary(name) || (root === '.' && below + name === HOME)) continue;
      const path = `/proc/self/fd/${directory}/${name}`;
      const stat = lstatSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (stat.isSymbolicLink()) found.push({ path: below + name, stat, target: readlinkSync(path) });
      else if (stat.isDirectory()) found.push({ path: `${below}${name}/`, stat });
      else if (stat.isFile()) found.push({ path: below + name, stat });
    }
  } finally {
    closeSync(directory);
  }
  for (const each of found) {
    yield each;
    if (each.stat.isDirectory()) yield* walk(tree, root, each.path);
  }
}
