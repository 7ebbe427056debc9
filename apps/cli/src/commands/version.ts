import { Command } from 'commander';
import type { Output } from '../output.ts';
import { productVersion } from '../version.ts';
import { print } from './remote.ts';

export function versionCommand(output: Output): Command {
  return new Command('version')
    .description('the version of this checkout')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => {
      const version = productVersion();
      print(output, options, { version, node: process.version }, () =>
        output.line(`ClaraTeach ${version} (Node.js ${process.version})`),
      );
    });
}
