import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { type DataSubject, dataSubject } from '@clarateach/contract/audit';
import { Command } from 'commander';
import { UsageError } from '../errors.ts';
import type { Output } from '../output.ts';
import { readStdin } from '../stdin.ts';
import { print, type RemoteOptions, remoteCommand, withServer } from './remote.ts';

interface SubjectOptions extends RemoteOptions {
  readonly returnCode?: boolean;
  readonly workshop?: string;
  readonly name?: string;
  readonly account?: string;
}

export function dataCommand(output: Output): Command {
  return new Command('data')
    .description("a person's data; for admins")
    .addCommand(exportCommand(output))
    .addCommand(deleteCommand(output));
}

function withSubject(command: Command): Command {
  return command
    .option('--return-code', 'a learner, by the return code, which is read from standard input')
    .option('--workshop <id>', 'with --name: the workshop of a learner')
    .option('--name <name>', 'with --workshop: the name that a learner joined with')
    .option('--account <email>', 'somebody with an account');
}

async function subjectOf({ returnCode, workshop, name, account }: SubjectOptions): Promise<DataSubject> {
  const asked = [
    // On standard input, because everybody on the machine sees what a command is called with.
    ...(returnCode ? [{ kind: 'return-code', odehash: (await readStdin()).trim() }] : []),
    ...(workshop === undefined && name === undefined
      ? []
      : [{ kind: 'learner', workshopId: workshop ?? '', name: name ?? '' }]),
    ...(account === undefined ? [] : [{ kind: 'account', email: account }]),
  ];
  const [only, ...more] = asked;
  if (only === undefined || more.length > 0) {
    throw new UsageError('Say whose data: --return-code, or --workshop with --name, or --account.');
  }
  const subject = dataSubject.safeParse(only);
  if (!subject.success) throw new UsageError(subject.error.issues[0]?.message ?? 'Say whose data it is.');
  return subject.data;
}

function exportCommand(output: Output): Command {
  return withSubject(remoteCommand('export', 'everything that is kept of somebody, as JSON, without secrets'))
    .option('--output <file>', 'write it to a file that only you can read')
    .action(async (options: SubjectOptions & { readonly output?: string }) => {
      const subject = await subjectOf(options);
      await withServer(options, async (client) => {
        const exported = await client.admin.exportData({ subject });
        if (options.output === undefined) {
          output.json(exported);
          return;
        }
        await writeFile(options.output, `${JSON.stringify(exported, null, 2)}\n`, { mode: 0o600 });
        output.note(`Written to ${options.output}.`);
      });
    });
}

function deleteCommand(output: Output): Command {
  return withSubject(
    remoteCommand('delete', "delete it for good; a learner's seat is emptied, an account's workshops end"),
  )
    .option('--yes', 'do not ask')
    .action(async (options: SubjectOptions & { readonly yes?: boolean }) => {
      const subject = await subjectOf(options);
      if (!options.yes) await confirmed();
      await withServer(options, async (client) => {
        const { deleted } = await client.admin.deleteData({ subject, confirm: true });
        print(output, options, { deleted }, () =>
          output.table(
            ['what', 'records'],
            Object.entries(deleted).map(([what, count]) => [what, String(count)]),
          ),
        );
      });
    });
}

async function confirmed(): Promise<void> {
  if (!process.stdin.isTTY) {
    throw new UsageError('Nothing was deleted. Where nobody can be asked, say --yes.');
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await prompt.question(
      'This deletes the data for good, with the files in their seats. Type "delete" to go on: ',
    );
    if (answer.trim() !== 'delete') throw new UsageError('Nothing was deleted.');
  } finally {
    prompt.close();
  }
}
