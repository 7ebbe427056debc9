import { readFile } from 'node:fs/promises';
import { spacedAccessCode } from '@clarateach/contract/codes';
import { type EntryPolicy, entryPolicy } from '@clarateach/contract/entry';
import type { WorkshopId } from '@clarateach/contract/ids';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { CommandError, UsageError } from '../errors.ts';
import { wholeNumber } from '../numbers.ts';
import { localTime, type Output } from '../output.ts';
import { readStdin } from '../stdin.ts';
import { print, type RemoteOptions, remoteCommand, withServer } from './remote.ts';
import { parseWorkshopId } from './workshop-id.ts';

interface EntryOptions extends RemoteOptions {
  policy?: EntryPolicy;
  cap?: number | 'none';
}

interface ImportOptions extends RemoteOptions {
  skipWrong?: boolean;
}

interface InstructorsOptions extends RemoteOptions {
  add?: string;
  remove?: string;
}

/** Who may come in, who registered, and who runs a workshop. */
export function entryCommands(output: Output): readonly Command[] {
  return [
    entryCommand(output),
    registrationsCommand(output),
    importCommand(output),
    exportCommand(output),
    handOverCommand(output),
    instructorsCommand(output),
  ];
}

const withId = (command: Command) => command.argument('<id>', 'workshop id, ws-…', parseWorkshopId);

function entryCommand(output: Output): Command {
  return withId(remoteCommand('entry', 'show or change who may take a seat'))
    .addOption(new Option('--policy <policy>', 'who may come in').choices(entryPolicy.options))
    .option('--cap <n>', 'places for registered learners; none for no limit', cap)
    .action((id: WorkshopId, options: EntryOptions) =>
      withServer(options, async (client) => {
        let { settings, registerUrl } = await client.entry.registrations({ id });
        if (options.policy !== undefined || options.cap !== undefined) {
          ({ settings, registerUrl } = await client.entry.configure({
            id,
            ...settings,
            ...(options.policy === undefined ? {} : { entry: options.policy }),
            ...(options.cap === undefined
              ? {}
              : { registrationCap: options.cap === 'none' ? null : options.cap }),
          }));
        }
        print(output, options, { ...settings, registerUrl }, () => {
          output.line(`who may come in    ${settings.entry}`);
          output.line(`places             ${settings.registrationCap ?? 'no limit'}`);
          output.line(`questions          ${settings.questions.map(({ label }) => label).join(', ') || '-'}`);
          output.line(`registration page  ${registerUrl}`);
        });
      }),
    );
}

function registrationsCommand(output: Output): Command {
  return withId(remoteCommand('registrations', 'who registered and who came')).action(
    (id: WorkshopId, options: RemoteOptions) =>
      withServer(options, async (client) => {
        const { registrations, registerUrl } = await client.entry.registrations({ id });
        print(output, options, registrations, () => {
          if (registrations.length === 0) {
            output.note(`Nobody has registered yet. Learners register at ${registerUrl}`);
            return;
          }
          output.table(
            ['name', 'e-mail', 'state', 'access code', 'registered', 'came', 'seat'],
            registrations.map((each) => [
              each.name,
              each.email ?? '-',
              each.place === null ? each.state : `${each.state} ${each.place}`,
              each.state === 'cancelled' ? '-' : spacedAccessCode(each.accessCode),
              localTime(each.registeredAt),
              localTime(each.cameAt),
              each.seat === null ? '-' : String(each.seat),
            ]),
          );
        });
      }),
  );
}

function importCommand(output: Output): Command {
  return withId(remoteCommand('import', 'put people on the list, from CSV: name, e-mail address, …'))
    .argument('[file]', 'the CSV file; standard input when left out')
    .option('--skip-wrong', 'leave wrong lines out; without, one wrong line stops the whole')
    .action((id: WorkshopId, file: string | undefined, options: ImportOptions) =>
      withServer(options, async (client) => {
        const csv = file === undefined ? await readStdin() : await readList(file);
        const result = await client.entry.import({ id, csv, skipWrong: options.skipWrong === true });
        print(output, options, result, () => {
          for (const { line, problem } of result.problems) output.note(`line ${line}: ${problem}`);
          if (result.problems.length > 0 && options.skipWrong !== true) return;
          output.line(`${result.imported} imported, ${result.waiting} of them on the waiting list`);
        });
        if (result.problems.length > 0 && options.skipWrong !== true) {
          throw new CommandError(
            `Nothing was imported: ${result.problems.length === 1 ? 'a line is' : `${result.problems.length} lines are`} wrong. Correct the list, or leave wrong lines out with --skip-wrong.`,
          );
        }
      }),
    );
}

function exportCommand(output: Output): Command {
  return withId(remoteCommand('export', 'the list as CSV, with access codes, seats and who came')).action(
    (id: WorkshopId, options: RemoteOptions) =>
      withServer(options, async (client) => {
        const csv = await (await client.entry.export({ id })).text();
        print(output, options, { csv }, () => output.line(csv.trimEnd()));
      }),
  );
}

function handOverCommand(output: Output): Command {
  return withId(remoteCommand('hand-over', 'a link that gives an occupied seat to another browser, once'))
    .argument('<seat>', 'number of the seat', wholeNumber)
    .action((id: WorkshopId, seat: number, options: RemoteOptions) =>
      withServer(options, async (client) => {
        const link = await client.entry.handOver({ id, seat });
        print(output, options, link, () => {
          output.line(link.url);
          output.note(`Good once, until ${localTime(link.expiresAt)}. Whoever opens it has the seat.`);
        });
      }),
    );
}

function instructorsCommand(output: Output): Command {
  return withId(remoteCommand('instructors', 'show or change who runs the workshop'))
    .option('--add <email>', 'let another instructor run it too')
    .option('--remove <email>', 'take a co-instructor off it')
    .action((id: WorkshopId, options: InstructorsOptions) =>
      withServer(options, async (client) => {
        if (options.add !== undefined) await client.colleagues.add({ id, email: options.add });
        if (options.remove !== undefined) {
          const wanted = options.remove.toLowerCase();
          const { instructors } = await client.colleagues.list({ id });
          const found = instructors.find(({ email, role }) => email === wanted && role === 'co-instructor');
          if (!found) throw new UsageError(`${options.remove} is no co-instructor of this workshop.`);
          await client.colleagues.remove({ id, userId: found.userId });
        }
        const { instructors } = await client.colleagues.list({ id });
        print(output, options, instructors, () =>
          output.table(
            ['name', 'e-mail', 'role'],
            instructors.map(({ name, email, role }) => [name, email || '-', role]),
          ),
        );
      }),
    );
}

function cap(text: string): number | 'none' {
  if (text === 'none') return text;
  const value = wholeNumber(text);
  if (value < 1) throw new InvalidArgumentError('It must be at least 1, or none.');
  return value;
}

async function readList(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new UsageError(`The list ${file} cannot be read: ${(cause as Error).message}`);
  }
}
