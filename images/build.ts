import { diskIsFull, engineError } from '@clarateach/seats/providers/docker/engine';
import type Dockerode from 'dockerode';
import { chooseBase } from './base-image.ts';
import { contextHash, contextTar } from './build-context.ts';
import { imageId, streamed } from './engine-stream.ts';
import { ImageBuildError } from './image-build-error.ts';
import { buildWorkspaceServer, installSeatTools } from './tools.ts';

export const REPOSITORY = 'clarateach-workspace';

export interface WorkspaceImageOptions {
  readonly docker: Dockerode;
  /** A tag of your own; `clarateach-workspace:<hash of all that goes into it>` when left out. */
  readonly tag?: string;
  /** The image to build on; a Debian is found or made when left out. */
  readonly base?: string;
  /** A certificate (PEM) that programs in the seats trust beside the public ones. */
  readonly caFile?: string;
  readonly signal: AbortSignal;
  readonly onProgress: (line: string) => void;
}

export interface WorkspaceImage {
  readonly tag: string;
  readonly imageId: string;
  /** False when the engine had it already. */
  readonly built: boolean;
}

/**
 * After: the engine has the seat's image of this checkout, under its own tag and as `latest`. What
 * is unchanged is not built again. Throws {@link ImageBuildError}, or the signal's reason; then
 * nothing half-built is left.
 */
export async function buildWorkspaceImage(options: WorkspaceImageOptions): Promise<WorkspaceImage> {
  const { docker, caFile, signal, onProgress } = options;
  try {
    await docker.ping();
  } catch (error) {
    signal.throwIfAborted();
    throw new ImageBuildError(engineError(error).message, { cause: error });
  }
  await Promise.all([installSeatTools({ signal, onProgress }), buildWorkspaceServer({ signal, onProgress })]);
  const tag = options.tag ?? `${REPOSITORY}:${await contextHash(caFile, options.base)}`;
  const present = await imageId(docker, tag, signal);
  if (present !== undefined) {
    await tagLatest(docker, tag);
    return { tag, imageId: present, built: false };
  }
  const base = await chooseBase({ docker, base: options.base, signal, onProgress });
  onProgress(`Building ${tag} on ${base}`);
  await build({ ...options, tag, base });
  await tagLatest(docker, tag);
  const id = await imageId(docker, tag, signal);
  if (id === undefined)
    throw new ImageBuildError(`The engine built ${tag}, and does not have it. Try again.`);
  return { tag, imageId: id, built: true };
}

async function build(options: WorkspaceImageOptions & { tag: string; base: string }): Promise<void> {
  const { docker, caFile, signal, onProgress } = options;
  const steps = new BuildSteps();
  const context = contextTar(caFile);
  try {
    const stream = await docker.buildImage(context as unknown as NodeJS.ReadableStream, {
      t: options.tag,
      buildargs: { BASE: options.base },
      labels: { 'clarateach.image': 'workspace' },
      rm: true,
      forcerm: true,
      abortSignal: signal,
    });
    await streamed(docker, stream, (event) => {
      for (const line of steps.read(event.stream ?? event.status ?? '')) onProgress(line);
    });
  } catch (error) {
    context.destroy();
    await steps.removeIntermediate(docker);
    signal.throwIfAborted();
    throw new ImageBuildError(await explain(docker, error, steps), { cause: error });
  }
}

async function explain(docker: Dockerode, error: unknown, steps: BuildSteps): Promise<string> {
  if (await diskIsFull(docker)) {
    return 'The seat image could not be built: the disk of the Docker engine is full. Free about 3 GB (`docker system prune` removes what no container uses), then try again.';
  }
  const said = steps.lastLines.slice(-4).join('\n  ');
  if (steps.current.includes('apt-get')) {
    return `The seat image could not be built: Debian packages could not be installed. Check that Debian's package mirror can be reached from containers (\`docker run --rm debian apt-get update\`), then try again. The last lines were:\n  ${said}`;
  }
  return `The seat image could not be built: ${(error as Error).message.trim()}. It failed at: ${steps.current || 'its beginning'}. The last lines were:\n  ${said}`;
}

async function tagLatest(docker: Dockerode, tag: string): Promise<void> {
  await docker.getImage(tag).tag({ repo: REPOSITORY, tag: 'latest' });
}

const STEP = /^Step \d+\/\d+ : /;
const LAYER = /^ ---> ([0-9a-f]{12,64})$/;

/** Follows what the builder says: where it is, and which layers it has made on the way. */
class BuildSteps {
  current = '';
  readonly lastLines: string[] = [];
  #layer = '';
  #made: string[] = [];
  #cached = false;

  read(text: string): string[] {
    const lines = text
      .split('\n')
      .map((line) => line.trimEnd())
      .filter((line) => line !== '');
    for (const line of lines) {
      if (STEP.test(line)) {
        this.current = line;
        this.#cached = false;
      }
      if (line === ' ---> Using cache') this.#cached = true;
      const layer = LAYER.exec(line)?.[1];
      if (layer !== undefined && !this.#cached && this.current.includes('FROM') === false) {
        this.#layer = layer;
        this.#made.push(layer);
      }
      this.lastLines.push(line);
      if (this.lastLines.length > 20) this.lastLines.shift();
    }
    return lines;
  }

  /** The last layer takes its untagged parents along; those that other images use stay. */
  async removeIntermediate(docker: Dockerode): Promise<void> {
    if (this.#made.length === 0) return;
    await docker
      .getImage(this.#layer)
      .remove({ force: false })
      .catch(() => {});
  }
}
