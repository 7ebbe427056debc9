import type { WorkshopId } from '@clarateach/contract/ids';
import type { SeatPhase, WorkshopPhase } from '@clarateach/contract/workshop';
import { ORPCError } from '@orpc/client';
import type { ApiClient } from '../api-client.ts';
import { CommandError } from '../errors.ts';
import type { Output } from '../output.ts';

interface FollowOptions {
  readonly output: Output;
  /** Whether a workshop of this phase is what is waited for. A deleted workshop always is. */
  readonly until: (phase: WorkshopPhase) => boolean;
  readonly signal?: AbortSignal;
}

const RECONNECTS = 10;
const RECONNECT_PAUSE_MS = 1_000;

/**
 * Tells each seat's changes as they come, until the workshop is as asked. A lost connection is
 * opened anew: the events carry whole states, so nothing is missed.
 */
export async function follow(client: ApiClient, id: WorkshopId, options: FollowOptions): Promise<void> {
  const { signal } = options;
  const told = new Map<number, SeatPhase>();
  let lost: unknown;
  for (let attempt = 0; attempt < RECONNECTS; attempt++) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, RECONNECT_PAUSE_MS));
    try {
      for await (const event of await client.workshops.events(
        { id },
        signal === undefined ? {} : { signal },
      )) {
        if (event.type === 'deleted') return;
        if (event.type === 'seat') {
          const { seat, phase, reason } = event.seat;
          if (told.get(seat) !== phase) {
            const why = reason === '' ? '' : `  ${reason}`;
            options.output.note(`seat ${String(seat).padStart(2)}  ${phase}${why}`);
          }
          told.set(seat, phase);
        } else if (options.until(event.workshop.phase)) return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof ORPCError && error.code === 'not_found') return;
      if (error instanceof ORPCError && error.status < 500) throw error;
      lost = error;
    }
  }
  throw new CommandError(
    'The connection to the server was lost. The workshop goes on without this command.',
    {
      cause: lost,
    },
  );
}
