import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { ensureMode, RUNNABLE } from '../file-mode.ts';
import { ImageBuildError } from '../image-build-error.ts';

/** The release that is installed, as its publisher offers it, with the checksum published beside it. */
export const FIRECRACKER_RELEASE = {
  version: 'v1.16.1',
  url: 'https://github.com/firecracker-microvm/firecracker/releases/download/v1.16.1/firecracker-v1.16.1-x86_64.tgz',
  sha256: '382a02a869e4d6d5cb14c40577f9545e8458021ea8b0b2d3fc10ec14d9c242e6',
} as const;

/** Where the programs come to lie, in the images' directory. */
export const FIRECRACKER_DIRECTORY = 'firecracker';
const MANIFEST = 'release.json';
/** `release-v1.16.1-x86_64/firecracker-v1.16.1-x86_64`, and the jailer beside it. */
const PROGRAM = /^(?:\.\/)?release-(v[\d.]+)-x86_64\/(firecracker|jailer)-\1-x86_64$/;
const PROGRAMS = ['firecracker', 'jailer'] as const;
/** A release is a tenth of this; a larger one is not read into memory. */
const MAX_BYTES = 256 * 1024 * 1024;
/** Without a byte for so long, the network counts as unreachable. */
const SILENT_MS = 20_000;

export interface FirecrackerOptions {
  readonly imagesDirectory: string;
  /** An archive on this machine instead of a download. */
  readonly archive?: string;
  readonly url?: string;
  readonly sha256?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

export type FirecrackerInstalled =
  | { readonly state: 'installed' | 'unchanged'; readonly version: string; readonly directory: string }
  /** Not to be had from here: why, and what to do. */
  | { readonly state: 'missing'; readonly remedy: string };

interface Manifest {
  readonly version: string;
  /** Of the archive that the programs are from. */
  readonly archive: string;
  readonly firecracker: string;
  readonly jailer: string;
}

/**
 * After: Firecracker and its jailer lie in the images' directory, both from the release with this
 * checksum, or nothing has changed there. Throws an {@link ImageBuildError} for an archive that is
 * not that release; a network without the release is no error.
 */
export async function installFirecracker(options: FirecrackerOptions): Promise<FirecrackerInstalled> {
  const { imagesDirectory, onProgress } = options;
  const wanted = (options.sha256 ?? FIRECRACKER_RELEASE.sha256).toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(wanted)) {
    throw new ImageBuildError('A checksum has 64 hexadecimal digits: give the sha256 of the archive.');
  }
  const directory = join(imagesDirectory, FIRECRACKER_DIRECTORY);
  const present = await installed(directory);
  if (present?.archive === wanted) {
    const changed: boolean[] = [];
    for (const name of PROGRAMS) changed.push(await ensureMode(join(directory, name), RUNNABLE));
    const state = changed.includes(true) ? 'installed' : 'unchanged';
    return { state, version: present.version, directory };
  }

  const url = options.url ?? FIRECRACKER_RELEASE.url;
  let archive: Buffer;
  if (options.archive === undefined) {
    onProgress(`Fetching ${url}`);
    try {
      archive = await download(url, options.signal);
    } catch (error) {
      options.signal.throwIfAborted();
      if (error instanceof ImageBuildError) throw error;
      return {
        state: 'missing',
        remedy: `${url} cannot be fetched (${reasonOf(error)}). Fetch it where there is a network and run \`clarateach microvm setup --firecracker-archive FILE\`; until then microVMs run in QEMU.`,
      };
    }
  } else {
    archive = await readFile(options.archive).catch((cause: unknown) => {
      throw new ImageBuildError(`The archive ${options.archive} cannot be read.`, { cause });
    });
  }
  const from = options.archive ?? url;
  const found = sha256(archive);
  if (found !== wanted) {
    throw new ImageBuildError(
      `${from} is not the expected release: its sha256 is ${found}, not ${wanted}. Nothing was installed. Fetch it again, or name its own checksum with --firecracker-sha256.`,
    );
  }
  const { version, programs } = await unpack(archive, from);
  await install(directory, { version, archive: wanted, programs });
  onProgress(`Firecracker ${version} is in ${directory}`);
  return { state: 'installed', version, directory };
}

/** Takes away what {@link installFirecracker} made; false when there was nothing. */
export async function removeFirecracker(imagesDirectory: string): Promise<boolean> {
  const directory = join(imagesDirectory, FIRECRACKER_DIRECTORY);
  const there = await readFile(join(directory, MANIFEST)).then(
    () => true,
    () => false,
  );
  if (there) await rm(directory, { recursive: true, force: true });
  return there;
}

/** What is installed, if it is whole. */
async function installed(directory: string): Promise<Manifest | undefined> {
  try {
    const manifest = JSON.parse(await readFile(join(directory, MANIFEST), 'utf8')) as Manifest;
    for (const name of PROGRAMS) {
      if (sha256(await readFile(join(directory, name))) !== manifest[name]) return undefined;
    }
    return manifest;
  } catch {
    return undefined;
  }
}

async function download(url: string, signal: AbortSignal): Promise<Buffer> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error('no answer')), SILENT_MS);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, silence.signal]) });
    if (!response.ok || !response.body) throw new Error(`it answers ${response.status}`);
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body) {
      timer.refresh();
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw new ImageBuildError(`${url} is larger than any release of Firecracker.`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
  }
}

/** Only the two programs are taken out, under names of our own, so no path of the archive is used. */
async function unpack(
  archive: Buffer,
  from: string,
): Promise<{ version: string; programs: ReadonlyMap<string, Buffer> }> {
  const programs = new Map<string, Buffer>();
  let version: string | undefined;
  try {
    const unzipped = await new Promise<Buffer>((resolve, reject) =>
      gunzip(archive, { maxOutputLength: 4 * MAX_BYTES }, (error, content) =>
        error ? reject(error) : resolve(content),
      ),
    );
    const entries = extract();
    entries.end(unzipped);
    for await (const entry of entries) {
      const [, found, name] = PROGRAM.exec(entry.header.name) ?? [];
      if (name !== undefined && entry.header.type === 'file') {
        programs.set(name, await buffer(entry));
        version = found;
      } else {
        entry.resume();
      }
    }
  } catch (cause) {
    throw new ImageBuildError(`${from} is no archive that can be read: ${(cause as Error).message}.`, {
      cause,
    });
  }
  if (version === undefined || PROGRAMS.some((name) => !programs.has(name))) {
    throw new ImageBuildError(
      `${from} holds no release of Firecracker for x86_64: release-v…-x86_64/firecracker-v…-x86_64 and the jailer beside it are wanted.`,
    );
  }
  return { version, programs };
}

/** Both programs and what is said of them change at once: of different releases they do not work together. */
async function install(
  directory: string,
  release: { version: string; archive: string; programs: ReadonlyMap<string, Buffer> },
): Promise<void> {
  await mkdir(join(directory, '..'), { recursive: true });
  const next = await mkdtemp(`${directory}.new-`);
  const old = `${next}.old`;
  try {
    const sums: Record<string, string> = {};
    for (const [name, content] of release.programs) {
      await writeFile(join(next, name), content, { flush: true });
      // The jailer copies the mode, and a VM's own user runs the copy.
      await ensureMode(join(next, name), RUNNABLE);
      sums[name] = sha256(content);
    }
    const manifest = { version: release.version, archive: release.archive, ...sums };
    await writeFile(join(next, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
    // VMs that run keep the program that they were started from.
    await rename(directory, old).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(next, directory);
  } finally {
    for (const path of [next, old]) await rm(path, { recursive: true, force: true });
  }
}

function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return (cause as NodeJS.ErrnoException | undefined)?.code ?? message;
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
