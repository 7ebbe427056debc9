import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { UsageError } from '../errors.ts';
import { localTime, type Output } from '../output.ts';
import { type DatabaseOptions, withDatabaseOptions } from './database-options.ts';
import { print } from './remote.ts';

const load = async (output: Output, options: DatabaseOptions) => {
  const [keys, { operatorConfig, requireInstallation }] = await Promise.all([
    import('../operator/keys.ts'),
    import('../operator/database.ts'),
  ]);
  return { keys, requireInstallation, config: operatorConfig(output, { DATA_DIR: options.data }) };
};

export function keysCommand(output: Output): Command {
  return new Command('keys')
    .description(
      "keys of seat tokens and of what is sealed; works on the server's own machine, also while it runs",
    )
    .addCommand(listCommand(output))
    .addCommand(rotateCommand(output))
    .addCommand(rotateEncryptionCommand(output))
    .addCommand(dropEncryptionCommand(output));
}

function listCommand(output: Output): Command {
  return withDatabaseOptions(
    new Command('list').description('the signing keys whose tokens are honoured'),
  ).action(async (options: DatabaseOptions) => {
    const { keys, config } = await load(output, options);
    const found = await keys.listKeys(config);
    print(output, options, found, () =>
      output.table(
        ['kid', 'made', 'signs from', 'honoured until'],
        found.map((key) => [
          key.kid,
          localTime(key.createdAt),
          localTime(key.signsFrom),
          localTime(key.verifiesUntil),
        ]),
      ),
    );
  });
}

function rotateCommand(output: Output): Command {
  return withDatabaseOptions(
    new Command('rotate')
      .description('make a new signing key; nobody is thrown out')
      .option(
        '--now',
        'end the old keys at once, because one has leaked: every seat token is void, and learners at work reconnect',
      )
      .option('--yes', 'with --now: do not ask'),
  ).action(async (options: DatabaseOptions & { readonly now?: boolean; readonly yes?: boolean }) => {
    const { keys, requireInstallation, config } = await load(output, options);
    if (options.now) {
      if (!options.yes) {
        await requireInstallation(config);
        await confirmEnd();
      }
      const done = await keys.replaceSigningKeys(config);
      print(output, options, done, () => {
        output.line(`The key ${done.key.kid} signs from now on, and it is the only one.`);
        for (const kid of done.ended)
          output.line(`The key ${kid} has ended: its tokens open nothing any more.`);
        output.line(
          'Running servers and the workers that they reach know it within about a second; a worker that no server reaches, within a minute if it reaches its own server.',
        );
      });
      return;
    }
    const found = await keys.rotateSigningKey(config);
    print(output, options, found, () => {
      const [newest, before] = found;
      output.line(`The key ${newest?.kid} signs from ${localTime(newest?.signsFrom ?? null)} on.`);
      if (before) output.line(`The key ${before.kid} is honoured until ${localTime(before.verifiesUntil)}.`);
    });
  });
}

async function confirmEnd(): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new UsageError('No key was changed. Where nobody can be asked, say --yes.');
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question(
      `This makes a new signing key and ends every other one at once.
Every seat token is void from then on: terminals, files and previews that are open close. Learners' pages come back
to the same seat by themselves within seconds, and shells and files stay; open previews have to be opened again.
Programs with a seat token of their own have to join again. It cannot be undone. Type "end" to go on: `,
    );
    if (answer.trim() !== 'end') throw new UsageError('No key was changed.');
  } finally {
    prompt.close();
  }
}

function rotateEncryptionCommand(output: Output): Command {
  return withDatabaseOptions(
    new Command('rotate-encryption').description(
      'seal everything with a new secret; takes some seconds, and goes on where it was when it is run again',
    ),
  ).action(async (options: DatabaseOptions) => {
    const { keys, config } = await load(output, options);
    const done = await keys.rotateEncryptionKey(config);
    print(output, options, done, () => {
      if (done.resumed) output.line('An earlier rotation was not finished; it is now.');
      output.line(`${done.resealed} secrets were sealed anew.`);
      output.line(
        'The old secret still opens older backups. `clarateach keys drop-encryption` forgets it here.',
      );
    });
  });
}

function dropEncryptionCommand(output: Output): Command {
  return withDatabaseOptions(
    new Command('drop-encryption').description('forget the old secret, once nothing is sealed with it'),
  ).action(async (options: DatabaseOptions) => {
    const { keys, config } = await load(output, options);
    const dropped = await keys.dropOldEncryptionKeys(config);
    print(output, options, { dropped }, () =>
      output.line(dropped === 0 ? 'There is no old secret.' : 'The old secret is forgotten.'),
    );
  });
}
