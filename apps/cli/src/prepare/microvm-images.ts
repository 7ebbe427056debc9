import { join } from 'node:path';
import { ENGINE_SOCKET, engineClient } from '@clarateach/seats/providers/docker/engine';
import { ImageBuildError } from '../../../../images/image-build-error.ts';
import { prepareGuest } from '../../../../images/microvm/guest.ts';
import { buildRootfs, type Rootfs, type RootfsOptions } from '../../../../images/rootfs.ts';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';
import { buildLines, step } from './step.ts';

const SEAT_IMAGE = 'clarateach-workspace:latest';
export const DEFAULT_ROOTFS_SIZE = '2G';

/** After: kernel, first root and root disk of this checkout's guests lie in the directory. */
export async function prepareMicrovmImages(
  output: Output,
  signal: AbortSignal,
  imagesDirectory: string,
): Promise<void> {
  await step(output, 'Preparing the guest kernel', () => prepareKernel(output, signal, { imagesDirectory }));
  await step(output, 'Preparing the root disk of seats', () =>
    makeRootfs({
      source: { kind: 'image', docker: engineClient(ENGINE_SOCKET), image: SEAT_IMAGE },
      output: join(imagesDirectory, 'rootfs.ext4'),
      size: DEFAULT_ROOTFS_SIZE,
      signal,
      onProgress: buildLines(output),
    }),
  );
}

/** False when it was there already. */
export async function prepareKernel(
  output: Output,
  signal: AbortSignal,
  options: { readonly imagesDirectory: string; readonly kernelPackage?: string },
): Promise<boolean> {
  return explained(() => prepareGuest({ ...options, signal, onProgress: buildLines(output) }));
}

export async function makeRootfs(options: RootfsOptions): Promise<Rootfs> {
  return explained(() => buildRootfs(options));
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
