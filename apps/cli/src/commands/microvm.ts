import { DEFAULT_IMAGES_DIRECTORY, readMicrovmSettings } from '@clarateach/seats/providers/microvm/settings';
import { Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import type { SetupStep } from '../microvm/setup.ts';
import type { Output } from '../output.ts';
import { terminationSignal } from '../signals.ts';

interface SetupCommandOptions {
  undo?: boolean;
  json?: boolean;
  kernelPackage?: string;
  firecrackerArchive?: string;
  firecrackerUrl?: string;
  firecrackerSha256?: string;
}

/** `IMAGES_DIR`, `BRIDGE_NAME` and `BRIDGE_IP`, as server and agent read them. */
function settings() {
  return readMicrovmSettings((name, fallback, parse) => {
    const value = process.env[name]?.trim();
    if (!value) return fallback;
    try {
      return parse(value);
    } catch (error) {
      throw new UsageError(`${name} ${(error as Error).message}`);
    }
  }, process.cwd());
}

export function microvmCommand(output: Output): Command {
  const setup = new Command('setup')
    .description(`install what microVM seats need, prepare their kernel in IMAGES_DIR, their bridge and NAT`)
    .addOption(
      new Option(
        '--firecracker-archive <file>',
        'release archive of Firecracker, for a machine without internet',
      ),
    )
    .addOption(
      new Option('--firecracker-url <url>', 'where the archive is fetched; its publisher when left out').env(
        'FIRECRACKER_URL',
      ),
    )
    .addOption(
      new Option('--firecracker-sha256 <hex>', 'checksum of the archive, for another release').env(
        'FIRECRACKER_SHA256',
      ),
    )
    .option('--kernel-package <file>', "Debian package of the guests' kernel; fetched with apt when left out")
    .option('--undo', 'take everything back that the set-up has made')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nIMAGES_DIR is ${DEFAULT_IMAGES_DIRECTORY} when it is not set.`)
    .action(async (options: SetupCommandOptions) => {
      const { setUpMicrovms, undoMicrovms } = await import('../microvm/setup.ts');
      const { imagesDirectory, bridge } = settings();
      const steps: SetupStep[] = [];
      const told = (step: SetupStep) => {
        steps.push(step);
        if (!options.json) output.line(`${step.changed ? 'changed  ' : 'unchanged'} ${step.detail}`);
      };
      const { kernelPackage, firecrackerArchive, firecrackerUrl, firecrackerSha256 } = options;
      if (options.undo) {
        await undoMicrovms(terminationSignal(), { imagesDirectory, bridge }, told);
      } else {
        const firecracker = {
          ...(firecrackerArchive === undefined ? {} : { archive: firecrackerArchive }),
          ...(firecrackerUrl === undefined ? {} : { url: firecrackerUrl }),
          ...(firecrackerSha256 === undefined ? {} : { sha256: firecrackerSha256 }),
        };
        const what = {
          imagesDirectory,
          bridge,
          firecracker,
          ...(kernelPackage === undefined ? {} : { kernelPackage }),
        };
        await setUpMicrovms(output, terminationSignal(), what, told);
      }
      if (options.json) output.json({ imagesDirectory, undone: options.undo === true, steps });
    });
  const test = new Command('test')
    .description('start an agent and three microVMs, reach them, show that they are kept apart, remove them')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { testMicrovms } = await import('../microvm/smoke-test.ts');
      const steps: { step: string; seconds: number }[] = [];
      const passed = (step: string, seconds: number) => {
        steps.push({ step, seconds: Number(seconds.toFixed(1)) });
        if (!json) output.line(`ok    ${step} (${seconds.toFixed(1)} s)`);
      };
      await testMicrovms({ note: output.note, passed }, terminationSignal(), settings());
      if (json) output.json({ steps });
    });
  return new Command('microvm').description('virtual machines as seats').addCommand(setup).addCommand(test);
}
