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
        'address of the server; PUBLIC_URL or http://localhost:<PORT> when left out',
      ).env('CLARATEACH_URL'),
    );
  return withDatabaseOptions(command).action(async (options: LinkOptions) => {
    const [{ signInLink }, { configFrom }] = await Promise.all([
      import('../operator/people.ts'),
      import('../operator/database.ts'),
    ]);
    const config = configFrom({ DATA_DIR: options.data, PUBLIC_URL: options.url });
    const url = await signInLink(config, options.user);
    print(output, options, { url }, () => output.line(url));
  });
}
