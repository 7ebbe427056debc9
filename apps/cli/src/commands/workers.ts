import type { WorkerView } from '@clarateach/contract/health';
import type { Command } from 'commander';
import { localTime, type Output } from '../output.ts';
import { print, type RemoteOptions, remoteCommand, withServer } from './remote.ts';

export function workersCommand(output: Output): Command {
  return remoteCommand('workers', 'the machines that run seats, and what each has; for admins').action(
    (options: RemoteOptions) =>
      withServer(options, async (client) => {
        const { workers } = await client.admin.vms();
        print(output, options, workers, () => show(output, workers));
      }),
  );
}

function show(output: Output, workers: readonly WorkerView[]): void {
  if (workers.length === 0) {
    output.note('This server runs the seats itself: WORKER_AGENTS names no workers.');
    return;
  }
  output.table(
    ['address', 'state', 'runtime', 'version', 'seats', 'last heard'],
    workers.map((worker) => [
      worker.address,
      worker.state === 'up' && worker.draining ? 'draining' : worker.state,
      worker.runtime ?? '-',
      worker.version ?? '-',
      `${worker.seatCount}/${worker.capacity}`,
      localTime(worker.heardAt),
    ]),
  );
  for (const { problem, movesAt, seats } of workers) {
    if (problem === '') continue;
    const lost = seats.length === 0 || movesAt === null ? '' : ` ${whatBecomes(seats.length, movesAt)}`;
    output.note(`${problem}${lost}`);
  }
}

function whatBecomes(count: number, movesAt: string): string {
  const seats = count === 1 ? 'Its seat is' : `Its ${count} seats are`;
  return `${seats} brought up on other workers, without files, at ${localTime(movesAt)} unless it answers before.`;
}
