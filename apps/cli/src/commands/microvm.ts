import { DEFAULT_IMAGES_DIRECTORY } from '@clarateach/seats/providers/microvm/settings';
import { Command } from 'commander';
import { removeGuest } from '../../../../images/microvm/guest.ts';
import { CommandError } from '../errors.ts';
import { installCommand, installPrograms, MICROVM_PROGRAMS } from '../machine/packages.ts';
import type { Output } from '../output.ts';
import { terminationSignal } from '../signals.ts';

interface SetupOptions {
  undo?: boolean;
  kernelPackage?: string;
}

const imagesDirectory = () => process.env.IMAGES_DIR || DEFAULT_IMAGES_DIRECTORY;

export function microvmCommand(output: Output): Command {
  const setup = new Command('setup')
    .description('install what microVM seats need, and prepare their kernel in IMAGES_DIR')
    .option('--kernel-package <file>', "Debian package of the guests' kernel; fetched with apt when left out")
    .option('--undo', 'remove the kernel again; installed packages stay')
    .action(async (options: SetupOptions) => {
      const directory = imagesDirectory();
      if (options.undo) {
        await removeGuest(directory);
        output.line(`The guest kernel is gone from ${directory}.`);
        return;
      }
      const signal = terminationSignal();
      const missing = await installPrograms(output, MICROVM_PROGRAMS, signal);
      if (missing.length > 0) throw new CommandError(`Install what is missing: ${installCommand(missing)}`);
      const { prepareKernel } = await import('../prepare/microvm-images.ts');
      const changed = await prepareKernel(output, signal, {
        imagesDirectory: directory,
        ...(options.kernelPackage === undefined ? {} : { kernelPackage: options.kernelPackage }),
      });
      output.line(
        changed
          ? `The guest kernel is in ${directory}.`
          : `Nothing to do: the guest kernel is in ${directory}.`,
      );
    });
  const test = new Command('test')
    .description('start three microVMs, reach them, show that they are kept apart, and remove them')
    .action(async () => {
      const { testMicrovms } = await import('../microvm/smoke-test.ts');
      await testMicrovms(output, terminationSignal(), imagesDirectory());
    });
  return new Command('microvm').description('virtual machines as seats').addCommand(setup).addCommand(test);
}
