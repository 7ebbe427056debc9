import { type CreateTokenBody, type TokenScope, tokenScope } from '@clarateach/contract/account';
import { Command, InvalidArgumentError, Option } from 'commander';
import { localTime, type Output } from '../output.ts';
import { type DatabaseOptions, withDatabaseOptions } from './database-options.ts';
import { print, type RemoteOptions, remoteCommand, withServer } from './remote.ts';

interface CreateOptions extends DatabaseOptions {
  readonly user?: string;
  readonly url?: string;
  readonly token?: string;
  readonly scope?: readonly TokenScope[];
  readonly expires?: number;
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
    .option(
      '--scope <scope>',
      `what it may do: ${tokenScope.options.join(', ')}; again for more (all that its owner may, when left out)`,
      addScope,
    )
    .option('--expires <days>', 'after how many days it is refused; never, when left out', days)
    .addOption(
      new Option('--url <url>', 'address of the server, with --token')
        .env('CLARATEACH_URL')
        .default('http://localhost:8080'),
    )
    .addOption(new Option('--token <token>', 'API token to ask the server with').env('CLARATEACH_TOKEN'));
  return withDatabaseOptions(command).action(async (name: string, options: CreateOptions) => {
    const token: CreateTokenBody = {
      name,
      ...(options.scope === undefined ? {} : { scopes: [...options.scope] }),
      ...(options.expires === undefined ? {} : { expiresInDays: options.expires }),
    };
    const tell = (made: { token: string }) => print(output, options, made, () => output.line(made.token));
    if (options.token !== undefined && options.user === undefined) {
      await withServer({ url: options.url ?? '', token: options.token }, async (client) =>
        tell(await client.tokens.create(token)),
      );
    } else {
      const [{ createToken }, { operatorConfig }] = await Promise.all([
        import('../operator/people.ts'),
        import('../operator/database.ts'),
      ]);
      const config = operatorConfig(output, { DATA_DIR: options.data });
      tell(await createToken(config, { token, email: options.user }));
    }
  });
}

function listCommand(output: Output): Command {
  return remoteCommand('list', 'your API tokens').action((options: RemoteOptions) =>
    withServer(options, async (client) => {
      const { tokens } = await client.tokens.list();
      print(output, options, tokens, () =>
        output.table(
          ['id', 'name', 'begins', 'may', 'made', 'expires', 'last used'],
          tokens.map((token) => [
            token.id,
            token.name,
            token.hint,
            token.scopes.join(' '),
            localTime(token.createdAt),
            token.expiresAt === null ? 'never' : localTime(token.expiresAt),
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

function addScope(value: string, before: readonly TokenScope[] = []): readonly TokenScope[] {
  const scope = tokenScope.safeParse(value);
  if (!scope.success) throw new InvalidArgumentError(`Choose one of ${tokenScope.options.join(', ')}.`);
  return [...before, scope.data];
}

function days(value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < 1 || number > 3650) {
    throw new InvalidArgumentError('Give a number of days from 1 to 3650.');
  }
  return number;
}
