import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { TOOLS_DIR, WORKSPACE_DIST } from './tools.ts';

const WORKSPACE_IMAGE = join(import.meta.dirname, 'workspace');

interface Entry {
  /** Path in the build context. */
  readonly name: string;
  readonly file: string;
}

/** What the image is built from, apart from the tools, whose lock file stands for them. */
async function sources(caFile: string | undefined): Promise<Entry[]> {
  const entries: Entry[] = [
    { name: 'Dockerfile', file: join(WORKSPACE_IMAGE, 'Dockerfile') },
    { name: 'entrypoint.sh', file: join(WORKSPACE_IMAGE, 'entrypoint.sh') },
    { name: 'tools/package.json', file: join(TOOLS_DIR, 'package.json') },
    { name: 'tools/package-lock.json', file: join(TOOLS_DIR, 'package-lock.json') },
  ];
  await collect(join(WORKSPACE_IMAGE, 'skel'), 'skel', entries);
  await collect(WORKSPACE_DIST, 'workspace', entries);
  if (caFile !== undefined) entries.push({ name: 'ca/clarateach.crt', file: caFile });
  return entries;
}

/** Twelve hexadecimal digits that change when anything that goes into the image changes. */
export async function contextHash(caFile: string | undefined, base: string | undefined): Promise<string> {
  const hash = createHash('sha256');
  hash.update(`${process.arch}\0${base ?? ''}\0`);
  for (const entry of (await sources(caFile)).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const content = await contentOf(entry.file);
    hash.update(`${entry.name}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, 12);
}

async function contentOf(file: string): Promise<Buffer> {
  return (await lstat(file)).isSymbolicLink() ? Buffer.from(await readlink(file)) : readFile(file);
}

/** The build context as a tar stream; a file that cannot be read destroys it with the error. */
export function contextTar(caFile: string | undefined): Pack {
  const tar = pack();
  (async () => {
    const entries = await sources(caFile);
    // A build without a certificate copies an empty directory.
    tar.entry({ name: 'ca', type: 'directory', mode: 0o755 });
    await collect(join(TOOLS_DIR, 'node_modules'), 'tools/node_modules', entries);
    for (const entry of entries) await add(tar, entry);
    tar.finalize();
  })().catch((error: Error) => tar.destroy(error));
  return tar;
}

async function add(tar: Pack, { name, file }: Entry): Promise<void> {
  const stat = await lstat(file);
  // Owner and times are not the builder's: equal content is an equal layer, which the engine has.
  const header = { name, mode: stat.mode & 0o111 ? 0o755 : 0o644, mtime: new Date(0), uid: 0, gid: 0 };
  if (stat.isSymbolicLink()) {
    tar.entry({ ...header, type: 'symlink', linkname: await readlink(file) });
  } else if (stat.isFile()) {
    await pipeline(createReadStream(file), tar.entry({ ...header, size: stat.size }));
  }
}

/**
 * npm keeps platform binaries twice: in a package for the platform, and (as a hard link or copy) in
 * the package that people call. The seat needs the second; Node's headers serve compilers it does
 * not have.
 */
function isDuplicate(name: string): boolean {
  return (
    name === 'tools/node_modules/node/node_modules' ||
    name.startsWith('tools/node_modules/@anthropic-ai/claude-code-')
  );
}

async function collect(directory: string, prefix: string, into: Entry[]): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const name = `${prefix}/${entry.name}`;
    const file = join(directory, entry.name);
    if (isDuplicate(name)) continue;
    if (entry.isDirectory()) await collect(file, name, into);
    else if (basename(file) !== '.DS_Store') into.push({ name, file });
  }
}
