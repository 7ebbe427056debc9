import type { WorkshopId } from '@clarateach/contract/ids';
import type { WorkshopEvent } from '@clarateach/contract/workshop';
import type { Database } from '../store/database.ts';
import type { Changes } from './changes.ts';
import { loadWorkshop } from './store.ts';
import type { Views } from './view.ts';

export interface NumberedEvent {
  /** The workshop's revision: everything up to it has been told. */
  readonly id: number;
  readonly event: WorkshopEvent;
}

/**
 * The state of the workshop and its seats, then each change as it comes, until the workshop is gone
 * or the signal is aborted. A client that has already been told up to revision `after` gets only
 * what came later. States, not steps: a slow reader gets the newest and misses only what nobody can
 * act on any more.
 */
export async function* followWorkshop(
  deps: { database: Database; changes: Changes; views: Views },
  id: WorkshopId,
  after: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<NumberedEvent, void> {
  const told = new Map<number, string>();
  let toldRevision = after ?? 0;
  let changed = Promise.withResolvers<void>();
  const wake = () => changed.resolve();
  const unsubscribe = deps.changes.subscribe((changedId) => {
    if (changedId === id) wake();
  });
  signal.addEventListener('abort', wake, { once: true });
  try {
    while (!signal.aborted) {
      changed = Promise.withResolvers();
      const state = await loadWorkshop(deps.database, id);
      if (!state) {
        yield { id: toldRevision + 1, event: { type: 'deleted' } };
        return;
      }
      const { seats } = deps.views.details(state);
      const { revision } = state.workshop;
      // Who comes back with the newest revision knows all this already.
      const known = told.size === 0 && revision === after;
      for (const seat of seats) {
        const text = JSON.stringify(seat);
        if (told.get(seat.seat) === text) continue;
        told.set(seat.seat, text);
        // The id moves on only with the last event, so a reader cut off half-way is told again.
        if (!known) yield { id: toldRevision, event: { type: 'seat', seat } };
      }
      if (revision !== toldRevision) {
        yield { id: revision, event: { type: 'workshop', workshop: deps.views.summary(state) } };
        toldRevision = revision;
      }
      await changed.promise;
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', wake);
  }
}
