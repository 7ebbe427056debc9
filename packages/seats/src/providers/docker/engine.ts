import { statfs } from 'node:fs/promises';
import Dockerode from 'dockerode';
import { ProviderError } from '../../provider.ts';

export const ENGINE_SOCKET = '/var/run/docker.sock';
/** A call on which the engine is silent for so long has failed. */
const ENGINE_SILENCE_MS = 120_000;
/** Below this an engine cannot make a container any more. */
const FULL_DISK_BYTES = 64 * 1024 * 1024;

/** A client of the engine on a Unix socket. */
export function engineClient(socketPath: string, silenceMs = ENGINE_SILENCE_MS): Dockerode {
  return new Dockerode({ socketPath, timeout: silenceMs });
}

/** The HTTP status that the engine answered with; undefined when it did not answer. */
export function statusOf(error: unknown): number | undefined {
  return (error as { statusCode?: number } | undefined)?.statusCode;
}

/** What the engine said, in its own words. */
function engineMessage(error: unknown): string {
  const said = (error as { json?: { message?: unknown } }).json?.message;
  return typeof said === 'string' ? said.trim() : ((error as Error).message ?? String(error)).trim();
}

/** Any failure of an engine call as the error that the reconciler decides by. */
export function engineError(error: unknown): ProviderError {
  if (error instanceof ProviderError) return error;
  const options = { cause: error };
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EACCES':
    case 'EPERM':
      return new ProviderError(
        'rejected',
        'This user may not use the Docker engine. Run `sudo usermod -aG docker "$USER"` and sign in again, or start ClaraTeach as root.',
        options,
      );
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new ProviderError(
        'unreachable',
        'The Docker engine does not answer. Start it (`sudo systemctl start docker`); seats and files are not touched.',
        options,
      );
  }
  const status = statusOf(error);
  const said = engineMessage(error);
  if (status !== undefined && status >= 400 && status < 500 && status !== 409) {
    return new ProviderError('rejected', `The Docker engine refused: ${said}`, options);
  }
  return new ProviderError('unreachable', `The Docker engine failed, and is asked again: ${said}`, options);
}

/** Whether the engine's own disk has no room; false where that cannot be seen from here. */
export async function diskIsFull(docker: Dockerode): Promise<boolean> {
  try {
    const { DockerRootDir } = (await docker.info()) as { DockerRootDir: string };
    const disk = await statfs(DockerRootDir);
    return disk.bavail * disk.bsize < FULL_DISK_BYTES || (disk.files > 0 && disk.ffree === 0);
  } catch {
    return false;
  }
}

/**
 * Runs engine calls. After a failure: the signal's reason when it was aborted, else a
 * {@link ProviderError}; an engine without room on its disk is told from one that is broken.
 */
export async function engineCall<T>(
  docker: Dockerode,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    const status = statusOf(error);
    if (status !== undefined && status >= 500 && (await diskIsFull(docker))) {
      throw new ProviderError(
        'capacity',
        'The disk of the Docker engine is full. Files of seats are safe; free some space, and seats start again by themselves.',
        { cause: error },
      );
    }
    throw engineError(error);
  }
}

/** Runs a call and takes the given HTTP statuses as done: undefined then. */
export async function unless<T>(statuses: readonly number[], work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const status = statusOf(error);
    if (status !== undefined && statuses.includes(status)) return undefined;
    throw error;
  }
}

/**
 * The outcome of `work`, or the signal's reason as soon as it is aborted. The work itself goes on: a
 * change that the engine has begun cannot be called back, only waited for.
 */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
    // Whoever left early does not hear of a later failure.
    work.catch(() => {});
    aborted.promise.catch(() => {});
  }
}
