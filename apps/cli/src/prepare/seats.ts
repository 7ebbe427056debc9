import type { Output } from '../output.ts';
import type { Chosen } from '../up/choose-runtime.ts';
import { buildSeatPrograms } from './builds.ts';
import { step } from './step.ts';

/** After: what seats of the runtime are made of is there; of microVMs in the images' directory. Says whether it built an image. */
export async function prepareSeats(
  output: Output,
  signal: AbortSignal,
  { runtime, makesImages }: Chosen,
  imagesDirectory: string,
): Promise<{ readonly imageIsNew: boolean }> {
  if (runtime === 'local') {
    await buildSeatPrograms(output, signal);
    return { imageIsNew: false };
  }
  let imageIsNew = false;
  if (makesImages) {
    const { buildSeatImage } = await import('./seat-image.ts');
    const image = await step(output, 'Preparing the seat image', () => buildSeatImage(output, signal));
    imageIsNew = image.built;
  }
  if (runtime === 'firecracker') {
    const { prepareKernel, prepareRootDisk } = await import('./microvm-images.ts');
    await step(output, 'Preparing the guest kernel', () =>
      prepareKernel(output, signal, { imagesDirectory }),
    );
    if (makesImages) {
      await step(output, 'Preparing the root disk of seats', () =>
        prepareRootDisk(output, signal, imagesDirectory),
      );
    }
  }
  return { imageIsNew };
}
