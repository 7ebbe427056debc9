import type { Config } from '@clarateach/server/config';
import { Command } from 'commander';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';
import { whileBuilding } from '../prepare/build-lock.ts';
import { terminationSignal } from '../signals.ts';
import { type DatabaseOptions, withDatabaseOptions } from './database-options.ts';
import { print } from './remote.ts';

interface BuildOptions extends DatabaseOptions {
  base?: string;
  tag?: string;
  ca?: string;
}

export function imageCommand(output: Output): Command {
  const build = new Command('build')
    .description("build the seats' container image, and remove those before the last that nothing uses")
    .option('--base <image>', 'Debian image to build on; found or made when left out')
    .option('--tag <tag>', "the image's name; made from its content when left out")
    .option('--ca <file>', 'certificate (PEM) that programs in the seats trust beside the public ones');
  withDatabaseOptions(build).action(async (options: BuildOptions) => {
    const [{ buildSeatImage }, { configFrom }] = await Promise.all([
      import('../prepare/seat-image.ts'),
      import('../operator/database.ts'),
    ]);
    const config = configFrom({ DATA_DIR: options.data });
    const signal = terminationSignal();
    const image = await whileBuilding(output, signal, async () => {
      const built = await buildSeatImage(output, signal, {
        ...(options.base === undefined ? {} : { base: options.base }),
        ...(options.tag === undefined ? {} : { tag: options.tag }),
        ...(options.ca === undefined ? {} : { caFile: options.ca }),
      });
      return built.built ? { ...built, removed: await prune(output, signal, config) } : built;
    });
    print(output, options, image, () => output.line(image.tag));
  });
  const pruning = new Command('prune').description(
    'remove seat images of earlier versions that no container uses and no workshop names; the newest two stay',
  );
  withDatabaseOptions(pruning).action(async (options: DatabaseOptions) => {
    const { operatorConfig } = await import('../operator/database.ts');
    const config = operatorConfig(output, { DATA_DIR: options.data });
    const signal = terminationSignal();
    const removed = await whileBuilding(output, signal, () => prune(output, signal, config));
    if (removed === undefined) {
      throw new CommandError(
        "No seat image was removed: the database that tells which images workshops name is not there. Name the server's data directory (`--data DIR`), or its DATABASE_URL.",
      );
    }
    print(output, options, { removed }, () => {
      if (removed.length === 0) output.line('No seat image was removed.');
    });
  });
  return new Command('image')
    .description('images that seats are made from')
    .addCommand(build)
    .addCommand(pruning);
}

async function prune(output: Output, signal: AbortSignal, config: Config) {
  const { removeOldImages } = await import('../prepare/old-images.ts');
  return removeOldImages(output, signal, config.database);
}
