import { ENGINE_SOCKET, engineClient } from '@clarateach/seats/providers/docker/engine';
import { rootfsFile, SEAT_IMAGE } from '@clarateach/seats/providers/microvm/settings';
import { ImageBuildError } from '../../../../images/image-build-error.ts';
import { prepareGuest } from '../../../../images/microvm/guest.ts';
import { buildRootfs, type Rootfs, type RootfsOptions } from '../../../../images/rootfs.ts';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';
import { interruptible } from '../signals.ts';
import { buildLines } from './step.ts';

export const DEFAULT_ROOTFS_SIZE = '2G';

/** After: the root disk of this checkout's seat image lies in the directory. */
export async function prepareRootDisk(
  output: Output,
  signal: AbortSignal,
  imagesDirectory: string,
): Promise<void> {
  await makeRootfs({
    source: { kind: 'image', docker: engineClient(ENGINE_SOCKET), image: SEAT_IMAGE },
    output: rootfsFile(imagesDirectory),
    size: DEFAULT_ROOTFS_SIZE,
    signal,
    onProgress: buildLines(output),
  });
}

/** After: kernel and first root of this checkout's guests lie there. False when they did already. */
export async function prepareKernel(
  output: Output,
  signal: AbortSignal,
  options: { readonly imagesDirectory: string; readonly kernelPackage?: string },
): Promise<boolean> {
  return interruptible(signal, () =>
    explained(() => prepareGuest({ ...options, signal, onProgress: buildLines(output) })),
  );
}

export async function makeRootfs(options: RootfsOptions): Promise<Rootfs> {
  return interruptible(options.signal, () => explained(() => buildRootfs(options)));
}

/** Runs `work`, and tells what it could not do as a command's error. */
export async function explained<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ImageBuildError) throw new CommandError(error.message, { cause: error });
    const { code, path } = error as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new CommandError(
        `This user may not write ${path ?? 'there'}. Run it as root, or name another place.`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}
