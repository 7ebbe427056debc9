import { Command } from 'commander';
import type { Output } from '../output.ts';
import { type DatabaseOptions, withDatabaseOptions } from './database-options.ts';
import { print } from './remote.ts';

export function dbCommand(output: Output): Command {
  const command = new Command('migrate').description("bring the database to this version's schema");
  withDatabaseOptions(command).action(async (options: DatabaseOptions) => {
    const { configFrom, openMigrated } = await import('../operator/database.ts');
    const { database, migrations } = await openMigrated(configFrom({ DATA_DIR: options.data }));
    await database.close();
    print(output, options, { migrations }, () => {
      if (migrations.length === 0) output.line('The schema is up to date.');
      else for (const name of migrations) output.line(`ran ${name}`);
    });
  });
  return new Command('db').description('the database').addCommand(command);
}
