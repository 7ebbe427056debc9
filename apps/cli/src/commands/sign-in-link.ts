import { Command, Option } from 'commander';
import type { Output } from '../output.ts';
import { type DatabaseOptions, withDatabaseOptions } from './database-options.ts';
import { print } from './remote.ts';

interface LinkOptions extends DatabaseOptions {
  readonly user?: string;
  readonly url?: string;
}

export function signInLinkCommand(output: Output): Command {
  const command = new Command('sign-in-link')
    .description("a new one-time sign-in link; works on the server's own machine")
    .option('--user <email>', 'whose link; the first admin when left out')
    .addOption(
      new Option(
        '--url <url>',
        'address of the server; PUBLIC_URL, or that of the server that runs, when left out',
      ).env('CLARATEACH_URL'),
    );
  return withDatabaseOptions(command).action(async (options: LinkOptions) => {
    const [{ signInLink }, { operatorConfig }, { servedAt }] = await Promise.all([
      import('../operator/people.ts'),
      import('../operator/database.ts'),
      import('@clarateach/server/data-directory'),
    ]);
    const config = operatorConfig(output, { DATA_DIR: options.data, PUBLIC_URL: options.url });
    const publicUrl = config.publicUrl ?? servedAt(config.dataDirectory);
    const url = await signInLink({ ...config, ...(publicUrl && { publicUrl }) }, options.user);
    print(output, options, { url }, () => output.line(url));
  });
}
