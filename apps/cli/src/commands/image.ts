import { Command } from 'commander';
import type { Output } from '../output.ts';
import { whileBuilding } from '../prepare/build-lock.ts';
import { terminationSignal } from '../signals.ts';
import { print } from './remote.ts';

interface BuildOptions {
  base?: string;
  tag?: string;
  ca?: string;
  json?: boolean;
}

export function imageCommand(output: Output): Command {
  const build = new Command('build')
    .description("build the seats' container image")
    .option('--base <image>', 'Debian image to build on; found or made when left out')
    .option('--tag <tag>', "the image's name; made from its content when left out")
    .option('--ca <file>', 'certificate (PEM) that programs in the seats trust beside the public ones')
    .option('--json', 'print JSON')
    .action(async (options: BuildOptions) => {
      const { buildSeatImage } = await import('../prepare/seat-image.ts');
      const signal = terminationSignal();
      const image = await whileBuilding(output, signal, () =>
        buildSeatImage(output, signal, {
          ...(options.base === undefined ? {} : { base: options.base }),
          ...(options.tag === undefined ? {} : { tag: options.tag }),
          ...(options.ca === undefined ? {} : { caFile: options.ca }),
        }),
      );
      print(output, options, image, () => output.line(image.tag));
    });
  return new Command('image').description('images that seats are made from').addCommand(build);
}
