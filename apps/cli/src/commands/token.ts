import { Command, Option } from 'commander';
import { localTime, type Output } from '../output.ts';
import { type DatabaseOptions, withDatabaseOptions } from './database-options.ts';
import { print, type RemoteOptions, remoteCommand, withServer } from './remote.ts';

interface CreateOptions extends DatabaseOptions {
  readonly user?: string;
  readonly url?: string;
  readonly token?: string;
}

export function tokenCommand(output: Output): Command {
  return new Command('token')
    .description('API tokens for programs')
    .addCommand(createCommand(output))
    .addCommand(listCommand(output))
    .addCommand(revokeCommand(output));
}

function createCommand(output: Output): Command {
  const command = new Command('create')
    .description("make an API token; without --token it works on the server's own machine, on its data")
    .argument('<name>', 'what the token is for')
    .option('--user <email>', 'whose token; the first admin when left out')
    .addOption(
      new Option('--url <url>', 'address of the server, with --token')
        .env('CLARATEACH_URL')
        .default('http://localhost:8080'),
    )
    .addOption(new Option('--token <token>', 'API token to ask the server with').env('CLARATEACH_TOKEN'));
  return withDatabaseOptions(command).action(async (name: string, options: CreateOptions) => {
    const tell = (made: { token: string }) => print(output, options, made, () => output.line(made.token));
    if (options.token !== undefined && options.user === undefined) {
      await withServer({ url: options.url ?? '', token: options.token }, async (client) =>
        tell(await client.tokens.create({ name })),
      );
    } else {
      const [{ createToken }, { configFrom }] = await Promise.all([
        import('../operator/people.ts'),
        import('../operator/database.ts'),
      ]);
      tell(await createToken(configFrom({ DATA_DIR: options.data }), { name, email: options.user }));
    }
  });
}

function listCommand(output: Output): Command {
  return remoteCommand('list', 'your API tokens').action((options: RemoteOptions) =>
    withServer(options, async (client) => {
      const { tokens } = await client.tokens.list();
      print(output, options, tokens, () =>
        output.table(
          ['id', 'name', 'begins', 'made', 'last used'],
          tokens.map((token) => [
            token.id,
            token.name,
            token.hint,
            localTime(token.createdAt),
            localTime(token.lastUsedAt),
          ]),
        ),
      );
    }),
  );
}

function revokeCommand(output: Output): Command {
  return remoteCommand('revoke', 'revoke an API token')
    .argument('<id>', 'the id that `token list` shows')
    .action((id: string, options: RemoteOptions) =>
      withServer(options, async (client) => {
        await client.tokens.revoke({ id });
        print(output, options, { id, revoked: true }, () => output.line(`${id} is revoked`));
      }),
    );
}
