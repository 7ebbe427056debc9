import type Dockerode from 'dockerode';
import { imageId } from './engine-stream.ts';

/** The newest images that stay, whether anything uses them or not: today's, and the one to go back to. */
const KEPT = 2;
const IN_USE = 409;
const GONE = 404;

export interface PruneOptions {
  readonly docker: Dockerode;
  /** Only tags of this repository that are hashes of what went into the image are looked at. */
  readonly repository: string;
  /** Images that workshops name, by whatever reference; none of them is removed. */
  readonly named: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * After: of the seat images that `buildWorkspaceImage` has named by their content, the engine has the newest two,
 * the one that is `latest`, those that a container uses and those that are named. Gives the tags
 * that were removed. A tag that somebody chose (`--tag`) is never one of them.
 */
export async function pruneWorkspaceImages(options: PruneOptions): Promise<readonly string[]> {
  const { docker, repository, signal } = options;
  const images = await docker.listImages({
    filters: { label: ['clarateach.image=workspace'], reference: [repository] },
    abortSignal: signal,
  });
  const kept = new Set([
    ...images
      .toSorted((a, b) => b.Created - a.Created)
      .slice(0, KEPT)
      .map(({ Id }) => Id),
    ...(await Promise.all(
      [`${repository}:latest`, ...options.named].map((reference) => imageId(docker, reference, signal)),
    )),
    // The engine itself keeps what a container runs from only as long as it runs.
    ...(await docker.listContainers({ all: true, abortSignal: signal })).map(({ ImageID }) => ImageID),
  ]);
  const removed: string[] = [];
  for (const { Id, RepoTags } of images) {
    if (kept.has(Id)) continue;
    for (const tag of RepoTags ?? []) {
      signal.throwIfAborted();
      if (isContentTag(tag, repository) && (await remove(docker, tag))) removed.push(tag);
    }
  }
  return removed;
}

function isContentTag(tag: string, repository: string): boolean {
  return tag.startsWith(`${repository}:`) && /^[0-9a-f]{12}$/.test(tag.slice(repository.length + 1));
}

/** False when somebody began to use it, or removed it, since we looked. */
async function remove(docker: Dockerode, tag: string): Promise<boolean> {
  try {
    await docker.getImage(tag).remove({ force: false });
    return true;
  } catch (error) {
    const status = (error as { statusCode?: number }).statusCode;
    if (status === IN_USE || status === GONE) return false;
    throw error;
  }
}
