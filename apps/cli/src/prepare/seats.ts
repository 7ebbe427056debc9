import type { Output } from '../output.ts';
import { buildSeatPrograms } from './builds.ts';
import { step } from './step.ts';

/** After: what seats of the runtime are made of is there; of microVMs in the images' directory. Says whether it built an image. */
export async function prepareSeats(
  output: Output,
  signal: AbortSignal,
  runtime: 'local' | 'docker' | 'firecracker',
  imagesDirectory: string,
): Promise<{ readonly imageIsNew: boolean }> {
  if (runtime === 'local') {
    await buildSeatPrograms(output, signal);
    return { imageIsNew: false };
  }
  const { buildSeatImage } = await import('./seat-image.ts');
  const { built } = await step(output, 'Preparing the seat image', () => buildSeatImage(output, signal));
  if (runtime === 'firecracker') {
    const { prepareMicrovmImages } = await import('./microvm-images.ts');
    await prepareMicrovmImages(output, signal, imagesDirectory);
  }
  return { imageIsNew: built };
}
