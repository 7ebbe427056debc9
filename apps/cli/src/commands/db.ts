import { Command } from 'commander';
import type { Output } from '../output.ts';
import { type DatabaseOptions, withDatabaseOptions } from './database-options.ts';
import { print } from './remote.ts';

export function dbCommand(output: Output): Command {
  const command = new Command('migrate').description(
    "bring the database to this version's schema; makes one where there is none",
  );
  withDatabaseOptions(command).action(async (options: DatabaseOptions) => {
    const { openMigrated, operatorConfig } = await import('../operator/database.ts');
    const { database, made, migrations } = await openMigrated(
      operatorConfig(output, { DATA_DIR: options.data }),
    );
    await database.close();
    if (made) output.note('There was none: an empty one is made, for a server that has not started yet.');
    print(output, options, { migrations }, () => {
      if (migrations.length === 0) output.line('The schema is up to date.');
      else for (const name of migrations) output.line(`ran ${name}`);
    });
  });
  return new Command('db').description('the database').addCommand(command);
}
