import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type Dockerode from 'dockerode';
import { imageId, streamed } from './engine-stream.ts';
import { ensureMode, READABLE } from './file-mode.ts';
import { ImageBuildError } from './image-build-error.ts';
import { directoryBeside } from './replace-directory.ts';
import { CommandFailed, runCommand } from './run-command.ts';

/** What a root disk is made from. */
export type RootfsSource =
  /** An image that the engine has. */
  | { readonly kind: 'image'; readonly docker: Dockerode; readonly image: string }
  /** A Dockerfile, built with its own directory as context. */
  | { readonly kind: 'dockerfile'; readonly docker: Dockerode; readonly dockerfile: string }
  /** A directory that holds a whole system, such as debootstrap makes; no engine is needed. */
  | { readonly kind: 'tree'; readonly directory: string };

export interface RootfsOptions {
  readonly source: RootfsSource;
  /** The file to make; what was there before stays until the new one is whole. */
  readonly output: string;
  /** Size of the disk, as mke2fs reads it: `2G`, `1500M`. The file is sparse. */
  readonly size: string;
  /** Becomes /sbin/clarateach-init; the seat's own when left out. */
  readonly initScript?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

export interface Rootfs {
  readonly output: string;
  /** Bytes of the disk, and those that it takes up here. */
  readonly bytes: number;
  readonly bytesOnDisk: number;
  /** False when the output was made from the same before. */
  readonly built: boolean;
}

const SEAT_INIT = join(import.meta.dirname, 'microvm', 'seat-init.sh');
/** What /sbin/clarateach-init calls. */
const NEEDED = ['opt/clarateach/entrypoint.sh', 'usr/bin/setpriv', 'usr/bin/prlimit'];
/** Of every root disk: a disk of the same content is the same to the byte. */
const DISK_ID = '6c617261-7465-4163-a865-726f6f746673';
/** Of an engine's container, and no part of its image. */
const EXCLUDED = ['.dockerenv', 'dev/*', 'proc/*', 'sys/*', 'run/*', 'tmp/*'];

/**
 * After: `output` is an ext4 disk with owners, modes and links as in the source, and what builds of it
 * left that were killed is gone. Mounts nothing. A process makes one `output` at a time.
 */
export async function buildRootfs(options: RootfsOptions): Promise<Rootfs> {
  const { source, onProgress } = options;
  const output = resolve(options.output);
  if (!/^[1-9]\d*[KMGT]?$/.test(options.size)) {
    throw new ImageBuildError(`The size ${options.size} is none: give a number with M or G, such as 2G.`);
  }
  const initScript = await readFile(options.initScript ?? SEAT_INIT).catch((cause: unknown) => {
    throw new ImageBuildError(`The init script ${options.initScript} cannot be read.`, { cause });
  });
  const { inputs, tar } = await opened(source, options);
  const wanted = inputs === undefined ? undefined : hash(inputs, initScript.toString('base64'), options.size);
  const made = wanted !== undefined && (await recorded(output)) === wanted;
  if (made) {
    await ensureMode(output, READABLE);
    return { ...(await sizes(output)), output, built: false };
  }

  await mkdir(dirname(output), { recursive: true });
  // Beside the output, because /tmp may be memory, and a rename must stay on one disk.
  const work = directoryBeside(output);
  await mkdir(work, { mode: 0o700 });
  try {
    const archive = join(work, 'root.tar');
    const script = join(work, 'init.sh');
    await writeFile(script, initScript);
    onProgress('Reading the image');
    await tar(archive);
    onProgress(`Making a disk of ${options.size}`);
    await makeDisk(
      { work, archive, script, size: options.size, strict: options.initScript === undefined },
      options,
    );
    await rm(recordOf(output), { force: true });
    await rename(join(work, 'disk'), output);
    if (wanted !== undefined) await writeFile(recordOf(output), wanted);
    return { ...(await sizes(output)), output, built: true };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What the source is, and how its files are had as an archive. */
async function opened(
  source: RootfsSource,
  options: RootfsOptions,
): Promise<{ inputs?: string; tar: (archive: string) => Promise<void> }> {
  const { signal } = options;
  switch (source.kind) {
    case 'tree': {
      const found = await stat(source.directory).catch(() => undefined);
      if (!found?.isDirectory()) throw new ImageBuildError(`${source.directory} is no directory.`);
      return {
        tar: (archive) =>
          run(
            'tar',
            ['-C', source.directory, '--numeric-owner', '--xattrs', '-c', '-f', archive, '.'],
            options,
          ),
      };
    }
    case 'image': {
      const id = await imageId(source.docker, source.image, signal);
      if (id === undefined) {
        throw new ImageBuildError(
          `The engine has no image ${source.image}. Build the seat image with \`clarateach image build\`, or pull the one you name.`,
        );
      }
      return { inputs: id, tar: (archive) => exportImage(source.docker, id, archive, signal) };
    }
    case 'dockerfile': {
      const tag = `clarateach-rootfs:${hash(resolve(source.dockerfile)).slice(0, 12)}`;
      await buildImage(source.docker, source.dockerfile, tag, options);
      const id = await imageId(source.docker, tag, signal);
      if (id === undefined) throw new ImageBuildError(`${source.dockerfile} made no image. Try again.`);
      return { inputs: id, tar: (archive) => exportImage(source.docker, id, archive, signal) };
    }
  }
}

async function exportImage(
  docker: Dockerode,
  id: string,
  archive: string,
  signal: AbortSignal,
): Promise<void> {
  const container = await docker.createContainer({ Image: id, Labels: { 'clarateach.rootfs': 'export' } });
  try {
    await pipeline(await container.export(), createWriteStream(archive), { signal });
  } finally {
    await container.remove({ force: true });
  }
}

async function buildImage(
  docker: Dockerode,
  dockerfile: string,
  tag: string,
  { signal, onProgress }: RootfsOptions,
): Promise<void> {
  const path = resolve(dockerfile);
  await readFile(path).catch((cause: unknown) => {
    throw new ImageBuildError(`The Dockerfile ${dockerfile} cannot be read.`, { cause });
  });
  const context = spawn('tar', ['-C', dirname(path), '-c', '.'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    signal,
  });
  const ended = new Promise<void>((done, failed) => {
    context.on('error', failed);
    context.on('close', () => done());
  });
  try {
    const stream = await docker.buildImage(context.stdout, {
      t: tag,
      dockerfile: path.slice(dirname(path).length + 1),
      abortSignal: signal,
    });
    await streamed(docker, stream, (event) => {
      const line = (event.stream ?? event.status ?? '').trimEnd();
      if (line !== '') onProgress(line);
    });
    await ended;
  } catch (error) {
    signal.throwIfAborted();
    throw new ImageBuildError(`${dockerfile} could not be built: ${(error as Error).message.trim()}`, {
      cause: error,
    });
  }
}

/**
 * Unpacks, adds the init, and writes the disk: in one shell, so that one fakeroot sees it all where
 * this is no root. $1 archive, $2 init script, $3 size, then what the tree must have.
 */
const MAKE_DISK = `set -eu
archive=$1 script=$2 size=$3
shift 3
# Every VM reads the disk; and the source may lack directories, such as its own root.
umask 022
mkdir tree
tar -x -p --numeric-owner --xattrs -C tree -f "$archive" ${EXCLUDED.map((path) => `--exclude='${path}' --exclude='./${path}'`).join(' ')}
rm -f "$archive"
for needed; do
  [ -e "tree/$needed" ] || [ -L "tree/$needed" ] || { echo "LACKS /$needed"; exit 3; }
done
# Nothing is newer than the newest file of the source, but for what an engine makes for each container.
newest=$(find tree -type f ! -path tree/etc/hosts ! -path tree/etc/hostname ! -path tree/etc/resolv.conf -printf '%T@\\n' | sort -n | tail -n 1)
newest=\${newest%%.*}
newest=\${newest:-0}
mkdir -p tree/sbin/ tree/dev tree/proc tree/sys tree/run tree/tmp tree/workspace
chmod 1777 tree/tmp
install -o 0 -g 0 -m 755 "$script" tree/sbin/clarateach-init
find tree -newermt "@$newest" -exec touch -h -d "@$newest" {} +
export E2FSPROGS_FAKE_TIME="$newest" SOURCE_DATE_EPOCH="$newest"
mke2fs -q -t ext4 -m 0 -O ^has_journal -L clarateach-root -U ${DISK_ID} -E hash_seed=${DISK_ID} -d tree disk "$size" || {
  # With a twentieth for the tables of the disk.
  echo "NEEDS $(du -sk tree | awk '{ print int($1 / 1024 * 1.05) + 16 }')M"
  exit 4
}
# When a file was last read or changed here is no part of it: only the time of its content is.
used=$(dumpe2fs -h disk 2>/dev/null | awk '/^Inode count:/ { all = $3 } /^Free inodes:/ { free = $3 } END { print all - free }')
awk -v used="$used" -v time="$newest" 'BEGIN {
  for (inode = 2; inode <= used; inode++)
    for (field = 1; field <= split("atime ctime crtime", fields, " "); field++)
      print "set_inode_field <" inode "> " fields[field] " @" time
}' | debugfs -w -f - disk >/dev/null`;

async function makeDisk(
  disk: { work: string; archive: string; script: string; size: string; strict: boolean },
  options: RootfsOptions,
): Promise<void> {
  const args = [
    ...['-c', MAKE_DISK, 'clarateach-rootfs', disk.archive, disk.script, disk.size],
    ...(disk.strict ? NEEDED : []),
  ];
  const root = process.getuid?.() === 0;
  await run(root ? '/bin/sh' : 'fakeroot', root ? args : ['--', '/bin/sh', ...args], options, disk.work);
}

async function run(
  program: string,
  args: readonly string[],
  { signal, onProgress, size }: RootfsOptions,
  cwd?: string,
): Promise<void> {
  try {
    const path = { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` };
    await runCommand('env', [`PATH=${path.PATH}`, program, ...args], {
      signal,
      onLine: onProgress,
      ...(cwd === undefined ? {} : { cwd }),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CommandFailed)) throw error;
    const said = error.lastLines.join('\n');
    const lacks = /LACKS (\S+)/.exec(said)?.[1];
    if (lacks !== undefined) {
      throw new ImageBuildError(
        `The image has no ${lacks}, so no seat can start from it. Build on the seat image (clarateach-workspace), or give an --init-script of its own.`,
        { cause: error },
      );
    }
    if (/No space left on device|Could not allocate block|No free space/i.test(said)) {
      const needed = /NEEDS (\S+)/.exec(said)?.[1] ?? 'more';
      throw new ImageBuildError(
        `The image does not fit: it needs about ${needed}, so give a larger --size than ${size}, or free space at the output.`,
        { cause: error },
      );
    }
    if (/mke2fs: not found/.test(said)) {
      throw new ImageBuildError('mke2fs is not installed: apt-get install e2fsprogs', { cause: error });
    }
    if (/fakeroot.*No such file/.test(said)) {
      throw new ImageBuildError(
        'Owners of files can be kept by root, or with fakeroot: apt-get install fakeroot',
        { cause: error },
      );
    }
    throw new ImageBuildError(`The root disk could not be made: ${error.lastLines.slice(-3).join(' | ')}`, {
      cause: error,
    });
  }
}

/** What the output was made from. */
const recordOf = (output: string) => `${output}.made-from`;

async function recorded(output: string): Promise<string | undefined> {
  const exists = await stat(output).then(
    (found) => found.isFile(),
    () => false,
  );
  return exists ? await readFile(recordOf(output), 'utf8').catch(() => undefined) : undefined;
}

async function sizes(output: string): Promise<{ bytes: number; bytesOnDisk: number }> {
  const { size, blocks } = await stat(output);
  return { bytes: size, bytesOnDisk: blocks * 512 };
}

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex');
}
