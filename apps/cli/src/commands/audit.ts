import type { AuditEntry } from '@clarateach/contract/audit';
import { workshopId } from '@clarateach/contract/ids';
import { type Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import { atLeastOne } from '../numbers.ts';
import { localTime, type Output } from '../output.ts';
import { print, type RemoteOptions, remoteCommand, withServer } from './remote.ts';

const PAGE = 200;
const DAY_MS = 24 * 60 * 60 * 1000;

interface AuditOptions extends RemoteOptions {
  readonly action?: string;
  readonly who?: string;
  readonly workshop?: string;
  readonly refused?: boolean;
  readonly days?: number;
  readonly limit: number;
}

export function auditCommand(output: Output): Command {
  return remoteCommand('audit', 'who did what, the newest first; for admins')
    .option('--action <action>', 'an action, or a group of them that ends in a dot: learner.')
    .option('--who <name>', "part of a name or an e-mail address, or somebody's id")
    .option('--workshop <id>', 'one workshop')
    .option('--refused', 'only what was refused')
    .addOption(new Option('--days <n>', 'only the last days').argParser(atLeastOne))
    .addOption(new Option('--limit <n>', 'so many lines at most').argParser(atLeastOne).default(50))
    .action((options: AuditOptions) =>
      withServer(options, async (client) => {
        const { action, who, refused, days } = options;
        const workshop = options.workshop === undefined ? undefined : workshopId.safeParse(options.workshop);
        if (workshop?.success === false) throw new UsageError('--workshop takes an id such as ws-abcd2345.');
        const entries: AuditEntry[] = [];
        let cursor: string | undefined;
        do {
          const page = await client.admin.audit({
            ...(action === undefined ? {} : { action }),
            ...(who === undefined ? {} : { who }),
            ...(workshop === undefined ? {} : { workshopId: workshop.data }),
            ...(refused ? { outcome: 'refused' as const } : {}),
            ...(days === undefined ? {} : { from: new Date(Date.now() - days * DAY_MS).toISOString() }),
            ...(cursor === undefined ? {} : { cursor }),
            limit: Math.min(PAGE, options.limit - entries.length),
          });
          entries.push(...page.entries);
          cursor = page.next ?? undefined;
        } while (cursor !== undefined && entries.length < options.limit);
        print(output, options, entries, () =>
          output.table(
            ['time', 'action', 'outcome', 'who', 'what', 'from'],
            entries.map((entry) => [
              localTime(entry.at),
              entry.action,
              entry.outcome,
              entry.actor.name || entry.actor.kind,
              entry.target?.name || entry.target?.kind || entry.workshopId || '',
              entry.address ?? '',
            ]),
          ),
        );
      }),
    );
}
