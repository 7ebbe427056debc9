import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Dockerode from 'dockerode';
import { imageId, streamed } from './engine-stream.ts';
import { ImageBuildError } from './image-build-error.ts';
import { runCommand } from './run-command.ts';

const PUBLIC_BASE = 'debian:bookworm-slim';
const OWN_BASE = 'clarateach-base:bookworm';
const BOOTSTRAP_TRIES = 3;
/** A registry that says nothing for so long is taken as out of reach. */
const PULL_SILENCE_MS = 30_000;

interface BaseOptions {
  readonly docker: Dockerode;
  /** A base that the operator chose; nothing else is tried. */
  readonly base: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

/**
 * The Debian that the seat's image is built on: the chosen one; else the public one, from this
 * engine or its registry; else, where no registry can be reached, one made from Debian packages.
 */
export async function chooseBase(options: BaseOptions): Promise<string> {
  const { docker, base, signal, onProgress } = options;
  const candidates = base === undefined ? [PUBLIC_BASE, OWN_BASE] : [base];
  for (const candidate of candidates) if (await imageId(docker, candidate, signal)) return candidate;

  const wanted = base ?? PUBLIC_BASE;
  onProgress(`Fetching ${wanted}`);
  try {
    await pull(docker, wanted, signal);
    return wanted;
  } catch (error) {
    signal.throwIfAborted();
    if (base !== undefined) {
      throw new ImageBuildError(
        `The base image ${base} is not on this engine and could not be fetched. Check its name and the registry, or leave the base out to use Debian.`,
        { cause: error },
      );
    }
    onProgress(`No registry brings ${PUBLIC_BASE}; making a base from Debian packages instead`);
    await bootstrap(options, error);
    return OWN_BASE;
  }
}

async function pull(docker: Dockerode, reference: string, signal: AbortSignal): Promise<void> {
  const silence = new AbortController();
  const giveUp = () => silence.abort(new Error(`The registry said nothing for ${PULL_SILENCE_MS / 1000} s.`));
  let timer = setTimeout(giveUp, PULL_SILENCE_MS);
  try {
    const abortSignal = AbortSignal.any([signal, silence.signal]);
    const stream = await docker.pull(reference, { abortSignal });
    await streamed(docker, stream, () => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, PULL_SILENCE_MS);
    });
  } finally {
    clearTimeout(timer);
  }
}

async function bootstrap(options: BaseOptions, pullFailure: unknown): Promise<void> {
  const { docker, signal } = options;
  if (process.getuid?.() !== 0) {
    throw new ImageBuildError(
      `${PUBLIC_BASE} could not be fetched, and a base can only be made by root. Give the engine access to a registry, or run \`sudo ./clarateach image build\` once (it needs debootstrap), or name a base image that this engine has.`,
      { cause: pullFailure },
    );
  }
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-base-'));
  try {
    await debootstrap(directory, options);
    await addUpdates(join(directory, 'etc/apt/sources.list'));
    await importDirectory(docker, directory, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new ImageBuildError(
      (error as NodeJS.ErrnoException).code === 'ENOENT'
        ? `${PUBLIC_BASE} could not be fetched, and debootstrap is not installed. Install it (apt-get install debootstrap) or give the engine access to a registry, then try again.`
        : `No base image could be made: ${(error as Error).message}. Check that Debian's package mirror can be reached and that the disk has 2 GB free, then try again.`,
      { cause: error },
    );
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A mirror that drops a download is asked again; what has come already is kept. */
async function debootstrap(directory: string, { signal, onProgress }: BaseOptions): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await runCommand('debootstrap', ['--variant=minbase', 'bookworm', directory], {
        signal,
        onLine: (line) => {
          if (/^[IWE]: (Retrieving|Unpacking|Configuring)/.test(line)) onProgress(line.slice(3));
        },
      });
      return;
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (missing || signal.aborted || attempt === BOOTSTRAP_TRIES) throw error;
      onProgress('The mirror did not give everything; asking again');
    }
  }
}

/** debootstrap names the mirror it used; updates and security fixes lie beside it. */
async function addUpdates(sources: string): Promise<void> {
  const [, mirror] = /^deb (\S+) bookworm main/m.exec(await readFile(sources, 'utf8')) ?? [];
  if (mirror === undefined) return;
  const lines = [
    `deb ${mirror} bookworm main`,
    `deb ${mirror} bookworm-updates main`,
    `deb ${mirror.replace(/\/$/, '')}-security bookworm-security main`,
  ];
  await writeFile(sources, `${lines.join('\n')}\n`);
}

async function importDirectory(docker: Dockerode, directory: string, signal: AbortSignal): Promise<void> {
  const excluded = [
    './var/cache/apt/archives/*.deb',
    './var/lib/apt/lists/*',
    './etc/resolv.conf',
    './dev/*',
  ];
  const tar = spawn(
    'tar',
    ['-C', directory, '--numeric-owner', ...excluded.map((path) => `--exclude=${path}`), '-c', '.'],
    { stdio: ['ignore', 'pipe', 'ignore'], signal },
  );
  const ended = new Promise<void>((resolve, reject) => {
    tar.on('error', reject);
    tar.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`tar failed (exit ${code})`))));
  });
  const [repo, tag] = OWN_BASE.split(':');
  const [stream] = await Promise.all([
    docker.importImage(tar.stdout, { repo, tag, changes: 'CMD ["bash"]', abortSignal: signal }),
    ended,
  ]);
  await streamed(docker, stream, () => {});
}
