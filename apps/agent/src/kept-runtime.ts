import { join } from 'node:path';
import { runtimeName } from '@clarateach/contract/runtime';
import type { SeatProvider } from '@clarateach/seats/provider';
import { listSeats } from '@clarateach/seats/providers/local/seat-files';
import { z } from 'zod';
import type { AgentRuntime } from './config.ts';
import type { AgentDirectory } from './data-directory.ts';
import { savedJson } from './saved-json.ts';

const kept = z.object({ name: runtimeName });

/**
 * Opens the runtime, and keeps in the directory which it is. `auto` stays with the one that has the agent's
 * seats, because in another they would all be lost; an engine that is not there yet ends the start instead.
 */
export async function openKeptRuntime(
  wanted: AgentRuntime,
  directory: Pick<AgentDirectory, 'path'>,
  open: (runtime: AgentRuntime) => Promise<SeatProvider>,
): Promise<SeatProvider> {
  const saved = savedJson(join(directory.path, 'runtime.json'), kept);
  const before = (await saved.read())?.name;
  // What `auto` finds in local seats is whether there are any; other runtimes may be away, and cannot be asked.
  const isFree =
    wanted !== 'auto' ||
    before === undefined ||
    (before === 'local' && (await listSeats(join(directory.path, 'seats'))).length === 0);
  const provider = await open(isFree ? wanted : before).catch((cause: Error) => {
    if (isFree) throw cause;
    throw new Error(
      `The seats of this agent are in ${before}, and RUNTIME=auto stays with it. ${cause.message} ` +
        'To give these seats up, set RUNTIME to another.',
      { cause },
    );
  });
  await saved.write({ name: provider.info.name });
  return provider;
}
