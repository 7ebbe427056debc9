import type { Output } from '../output.ts';
import { buildSeatPrograms } from './builds.ts';
import { step } from './step.ts';

/** After: what seats of the runtime are made of is there; of microVMs in the images' directory. */
export async function prepareSeats(
  output: Output,
  signal: AbortSignal,
  runtime: 'local' | 'docker' | 'firecracker',
  imagesDirectory: string,
): Promise<void> {
  if (runtime === 'local') {
    await buildSeatPrograms(output, signal);
    return;
  }
  const { buildSeatImage } = await import('./seat-image.ts');
  await step(output, 'Preparing the seat image', () => buildSeatImage(output, signal));
  if (runtime === 'docker') return;
  const { prepareMicrovmImages } = await import('./microvm-images.ts');
  await prepareMicrovmImages(output, signal, imagesDirectory);
}
