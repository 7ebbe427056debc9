import { type EntryPolicy, entryPolicy } from '@clarateach/contract/entry';
import type { WorkshopId } from '@clarateach/contract/ids';
import { runtimeName } from '@clarateach/contract/runtime';
import type { CreateWorkshopBody, WorkshopDetails, WorkshopSummary } from '@clarateach/contract/workshop';
import { Command, Option } from 'commander';
import { CommandError, UsageError } from '../errors.ts';
import { wholeNumber } from '../numbers.ts';
import { localTime, type Output } from '../output.ts';
import { readStdin } from '../stdin.ts';
import { print, type RemoteOptions, remoteCommand, withServer } from './remote.ts';
import { entryCommands } from './workshop-entry.ts';
import { parseWorkshopId } from './workshop-id.ts';
import { follow } from './workshop-progress.ts';

interface CreateOptions extends RemoteOptions {
  seats: number;
  code?: string;
  runtime?: CreateWorkshopBody['runtime'];
  image?: string;
  ttl?: number;
  apiKeyStdin?: boolean;
  injectApiKey?: boolean;
  entry?: EntryPolicy;
  start?: boolean;
  wait?: boolean;
}

interface WaitOptions extends RemoteOptions {
  wait?: boolean;
}

export function workshopCommand(output: Output): Command {
  const command = new Command('workshop')
    .description('make, watch and end workshops on a running server')
    .addCommand(createCommand(output))
    .addCommand(listCommand(output))
    .addCommand(showCommand(output))
    .addCommand(startCommand(output))
    .addCommand(stopCommand(output))
    .addCommand(extendCommand(output))
    .addCommand(deleteCommand(output));
  for (const each of entryCommands(output)) command.addCommand(each);
  return command;
}

function createCommand(output: Output): Command {
  return remoteCommand('create', 'make a workshop')
    .argument('<name>', 'what the class is called')
    .requiredOption('--seats <n>', 'number of seats', wholeNumber)
    .option('--code <code>', 'join code of your own; made up when left out')
    .addOption(new Option('--runtime <name>', 'runtime of the seats').choices(runtimeName.options))
    .option('--image <reference>', "the seats' container image; the server's own when left out")
    .option('--ttl <minutes>', 'minutes from start until it stops by itself', wholeNumber)
    .option(
      '--api-key-stdin',
      'read the API key of the workshop from standard input; it is kept encrypted, and used by nothing without --inject-api-key',
    )
    .option('--inject-api-key', 'put the key into every seat: every learner can read and copy it')
    .addOption(
      new Option('--entry <policy>', 'who may take a seat; open when left out').choices(entryPolicy.options),
    )
    .option('--start', 'provision the seats at once')
    .option('--wait', 'start, and return when every seat is usable; shows progress')
    .action((name: string, options: CreateOptions) =>
      withServer(options, async (client) => {
        if (options.injectApiKey && !options.apiKeyStdin) {
          throw new UsageError('--inject-api-key needs a key: give one with --api-key-stdin.');
        }
        const start = options.start === true || options.wait === true;
        const body: CreateWorkshopBody = {
          name,
          seats: options.seats,
          ...(options.code === undefined ? {} : { code: options.code }),
          ...(options.runtime === undefined ? {} : { runtime: options.runtime }),
          ...(options.image === undefined ? {} : { image: options.image }),
          ...(options.ttl === undefined ? {} : { ttlMinutes: options.ttl }),
          ...(options.apiKeyStdin ? { apiKey: await apiKeyFromStdin() } : {}),
          ...(options.injectApiKey ? { injectApiKey: true } : {}),
          ...(options.entry === undefined ? {} : { entry: options.entry }),
          ...(start ? { start } : {}),
        };
        let workshop = (await client.workshops.create({ query: {}, body })).body;
        if (options.wait) {
          await untilUsable(client, workshop.id, output);
          workshop = await client.workshops.show({ id: workshop.id });
        }
        print(output, options, workshop, () => printWorkshop(output, workshop));
        if (options.wait) requireReady(workshop);
      }),
    );
}

function listCommand(output: Output): Command {
  return remoteCommand('list', 'your workshops, the newest first').action((options: RemoteOptions) =>
    withServer(options, async (client) => {
      const { workshops } = await client.workshops.list();
      print(output, options, workshops, () => {
        if (workshops.length === 0)
          output.note('No workshops yet. Make one: clarateach workshop create NAME --seats N');
        else {
          output.table(
            ['id', 'name', 'code', 'runtime', 'phase', 'ready', 'learners', 'ends'],
            workshops.map((workshop) => [
              workshop.id,
              workshop.name,
              workshop.code,
              workshop.runtime,
              workshop.phase,
              `${workshop.readySeats}/${workshop.seatCount}`,
              String(workshop.occupiedSeats),
              localTime(workshop.endsAt),
            ]),
          );
        }
      });
    }),
  );
}

function showCommand(output: Output): Command {
  return remoteCommand('show', 'a workshop with the state of every seat')
    .argument('<id>', 'workshop id, ws-…', parseWorkshopId)
    .action((id: WorkshopId, options: RemoteOptions) =>
      withServer(options, async (client) => {
        const workshop = await client.workshops.show({ id });
        print(output, options, workshop, () => {
          printWorkshop(output, workshop);
          output.line('');
          output.table(
            ['seat', 'phase', 'learner', 'return code', 'reason'],
            workshop.seats.map((seat) => [
              String(seat.seat),
              seat.phase,
              seat.learner?.name ?? '-',
              seat.learner?.odehash ?? '-',
              seat.reason,
            ]),
          );
        });
      }),
    );
}

function startCommand(output: Output): Command {
  return remoteCommand('start', 'provision the seats')
    .argument('<id>', 'workshop id, ws-…', parseWorkshopId)
    .option('--wait', 'return when every seat is usable; shows progress')
    .action((id: WorkshopId, options: WaitOptions) =>
      withServer(options, async (client) => {
        let workshop = (await client.workshops.start({ params: { id }, query: {} })).body;
        if (options.wait) {
          await untilUsable(client, id, output);
          workshop = await client.workshops.show({ id });
        }
        print(output, options, workshop, () => printWorkshop(output, workshop));
        if (options.wait) requireReady(workshop);
      }),
    );
}

function stopCommand(output: Output): Command {
  return remoteCommand('stop', 'release the seats, with all files in them')
    .argument('<id>', 'workshop id, ws-…', parseWorkshopId)
    .option('--wait', 'return when every seat is gone; shows progress')
    .action((id: WorkshopId, options: WaitOptions) =>
      withServer(options, async (client) => {
        let workshop = await client.workshops.stop({ id });
        if (options.wait) {
          await follow(client, id, { output, until: (phase) => phase === 'stopped' });
          workshop = await client.workshops.show({ id });
        }
        print(output, options, workshop, () => printWorkshop(output, workshop));
      }),
    );
}

function extendCommand(output: Output): Command {
  return remoteCommand('extend', 'move the end of a workshop later')
    .argument('<id>', 'workshop id, ws-…', parseWorkshopId)
    .argument('<minutes>', 'minutes that the end is moved later', wholeNumber)
    .action((id: WorkshopId, minutes: number, options: RemoteOptions) =>
      withServer(options, async (client) => {
        const workshop = await client.workshops.extend({ id, minutes });
        print(output, options, workshop, () =>
          output.line(`${workshop.id} ends ${localTime(workshop.endsAt)}`),
        );
      }),
    );
}

function deleteCommand(output: Output): Command {
  return remoteCommand('delete', 'delete a workshop with all it holds')
    .argument('<id>', 'workshop id, ws-…', parseWorkshopId)
    .option('--wait', 'return when nothing of it is left')
    .action((id: WorkshopId, options: WaitOptions) =>
      withServer(options, async (client) => {
        await client.workshops.delete({ id });
        if (options.wait) await follow(client, id, { output, until: () => false });
        print(output, options, { id, deleted: true }, () =>
          output.line(options.wait ? `${id} is deleted` : `${id} is being deleted`),
        );
      }),
    );
}

const SETTLED: readonly WorkshopSummary['phase'][] = ['ready', 'degraded', 'failed', 'stopped'];

async function untilUsable(
  client: Parameters<typeof follow>[0],
  id: WorkshopId,
  output: Output,
): Promise<void> {
  await follow(client, id, { output, until: (phase) => SETTLED.includes(phase) });
}

function requireReady(workshop: WorkshopDetails): void {
  if (workshop.phase === 'ready') return;
  const failed = workshop.seats.filter((seat) => seat.phase === 'failed');
  const reasons = [...new Set(failed.map((seat) => seat.reason))].filter((reason) => reason !== '');
  throw new CommandError(
    `${workshop.readySeats} of ${workshop.seatCount} seats are ready; the workshop is ${workshop.phase}.` +
      reasons.map((reason) => `\n  ${reason}`).join(''),
  );
}

function printWorkshop(output: Output, workshop: WorkshopSummary): void {
  const rows: [string, string][] = [
    ['id', workshop.id],
    ['name', workshop.name],
    ['join code', workshop.code],
    ['join link', workshop.joinUrl],
    ['entry', workshop.entry],
    ['runtime', workshop.runtime],
    ['phase', workshop.phase],
    ['seats ready', `${workshop.readySeats} of ${workshop.seatCount}`],
    ['learners', String(workshop.occupiedSeats)],
    ['ends', localTime(workshop.endsAt)],
  ];
  for (const [label, value] of rows) output.line(`${label.padEnd(11)}  ${value}`);
}

async function apiKeyFromStdin(): Promise<string> {
  const key = (await readStdin()).trim();
  if (key === '') throw new UsageError('No API key came on standard input.');
  return key;
}
