import type { WorkshopId } from '@clarateach/contract/ids';
import type { Database } from '../store/database.ts';

const POLL_MS = 500;
/** Changes of one workshop that come closer together are told as one: everybody who is told reads it whole. */
const QUIET_MS = 20;

/**
 * Tells this process which workshops changed: within a moment for its own changes, within half a second
 * for those of other servers on the same database. Level-triggered: a listener looks at the database
 * and never relies on having heard of each step.
 */
export interface Changes {
  notify(id: WorkshopId): void;
  /** Returns the unsubscribe. */
  subscribe(listener: (id: WorkshopId) => void): () => void;
  close(): Promise<void>;
}

export function createChanges(database: Database, onError: (error: unknown) => void): Changes {
  const listeners = new Set<(id: WorkshopId) => void>();
  let revisions = new Map<WorkshopId, number>();
  let closed = false;
  let failing = false;
  let polling: Promise<void> = Promise.resolve();

  /** Workshops that were told of just now, and whether they have changed since. */
  const quiet = new Map<WorkshopId, { again: boolean; readonly timer: NodeJS.Timeout }>();
  const notify = (id: WorkshopId) => {
    const told = quiet.get(id);
    if (told) {
      told.again = true;
      return;
    }
    const timer = setTimeout(() => {
      const { again } = quiet.get(id) ?? { again: false };
      quiet.delete(id);
      if (again) notify(id);
    }, QUIET_MS);
    quiet.set(id, { again: false, timer });
    for (const listener of listeners) listener(id);
  };

  const poll = async () => {
    try {
      const rows = await database.db.selectFrom('workshops').select(['id', 'revision']).execute();
      const seen = new Map(rows.map((row) => [row.id, row.revision]));
      const changed = [...seen].filter(([id, revision]) => revisions.get(id) !== revision).map(([id]) => id);
      const vanished = [...revisions.keys()].filter((id) => !seen.has(id));
      revisions = seen;
      failing = false;
      for (const id of [...changed, ...vanished]) notify(id);
    } catch (error) {
      // Reported once an outage, not twice a second.
      if (!failing) onError(error);
      failing = true;
    }
  };
  let timer: NodeJS.Timeout;
  const next = () => {
    timer = setTimeout(() => {
      polling = poll().then(() => {
        if (!closed) next();
      });
    }, POLL_MS);
  };
  next();

  return {
    notify,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await polling;
      clearTimeout(timer);
      for (const told of quiet.values()) clearTimeout(told.timer);
      quiet.clear();
    },
  };
}
