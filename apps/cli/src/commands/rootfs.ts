import { ENGINE_SOCKET, engineClient } from '@clarateach/seats/providers/docker/engine';
import {
  DEFAULT_IMAGES_DIRECTORY,
  rootfsFile,
  SEAT_IMAGE,
} from '@clarateach/seats/providers/microvm/settings';
import { Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import type { Output } from '../output.ts';
import { terminationSignal } from '../signals.ts';
import { print } from './remote.ts';

interface BuildOptions {
  image?: string;
  dockerfile?: string;
  tree?: string;
  output?: string;
  size: string;
  initScript?: string;
  verbose?: boolean;
  json?: boolean;
}

export function rootfsCommand(output: Output): Command {
  const build = new Command('build')
    .description('make the root disk of microVM seats')
    .option('--image <name>', `container image to make it from (${SEAT_IMAGE} when left out)`)
    .option('--dockerfile <file>', 'Dockerfile to make it from, with its directory as context')
    .option('--tree <dir>', 'directory with a whole system to make it from; needs no Docker')
    .addOption(
      new Option(
        '--output <file>',
        'the disk to make; when left out the one in IMAGES_DIR of seats with this image',
      ),
    )
    .option('--size <size>', 'size of the disk; what is not used takes up no room', '2G')
    .option(
      '--init-script <file>',
      "script that starts the seat's program in the guest; ClaraTeach's own when left out",
    )
    .option('--verbose', 'tell everything that is done')
    .option('--json', 'print JSON')
    .action(async (options: BuildOptions) => {
      const { makeRootfs } = await import('../prepare/microvm-images.ts');
      const made = await makeRootfs({
        source: sourceOf(options),
        output:
          options.output ?? rootfsFile(process.env.IMAGES_DIR || DEFAULT_IMAGES_DIRECTORY, options.image),
        size: options.size,
        ...(options.initScript === undefined ? {} : { initScript: options.initScript }),
        signal: terminationSignal(),
        onProgress: (line) => {
          if (options.verbose || /^(Reading|Making)/.test(line)) output.note(line);
        },
      });
      print(output, options, made, () => {
        const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
        output.line(
          `${made.output}: ${mib(made.bytes)} MiB, of which ${mib(made.bytesOnDisk)} are used${made.built ? '' : ' (unchanged)'}`,
        );
      });
    });
  return new Command('rootfs').description('root disks of microVM seats').addCommand(build);
}

function sourceOf({ image, dockerfile, tree }: BuildOptions) {
  const given = [image, dockerfile, tree].filter((each) => each !== undefined);
  if (given.length > 1) throw new UsageError('Give one of --image, --dockerfile and --tree.');
  if (tree !== undefined) return { kind: 'tree', directory: tree } as const;
  const docker = engineClient(ENGINE_SOCKET);
  if (dockerfile !== undefined) return { kind: 'dockerfile', docker, dockerfile } as const;
  return { kind: 'image', docker, image: image ?? SEAT_IMAGE } as const;
}
