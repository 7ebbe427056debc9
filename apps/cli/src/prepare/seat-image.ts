import { ENGINE_SOCKET, engineClient } from '@clarateach/seats/providers/docker/engine';
import { buildWorkspaceImage, type WorkspaceImage } from '../../../../images/build.ts';
import { ImageBuildError } from '../../../../images/image-build-error.ts';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';
import { buildLines } from './step.ts';

/** After: the Docker engine has the seats' image of this checkout. */
export async function buildSeatImage(
  output: Output,
  signal: AbortSignal,
  options: { readonly base?: string; readonly tag?: string; readonly caFile?: string } = {},
): Promise<WorkspaceImage> {
  try {
    return await buildWorkspaceImage({
      ...options,
      docker: engineClient(ENGINE_SOCKET),
      signal,
      onProgress: buildLines(output),
    });
  } catch (error) {
    if (error instanceof ImageBuildError) throw new CommandError(error.message, { cause: error });
    throw error;
  }
}
