import { createRevocationList, type RevocationList } from '@clarateach/gateway/revocation-list';
import type { Database } from '../store/database.ts';

const POLL_MS = 500;

/**
 * The database's list of taken-back tokens, in this server's memory: what this server revokes it adds
 * at once, what others revoke it is told by {@link look} or finds within half a second.
 */
export interface KnownRevocations {
  readonly list: RevocationList;
  /** Reads the database now. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/** Reads the list before it returns, so that no request is judged without it. */
export async function openRevocations(deps: {
  readonly database: Database;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): Promise<KnownRevocations> {
  const { database, now } = deps;
  const list = createRevocationList({ clock: now });
  let closed = false;
  let failing = false;
  let timer: NodeJS.Timeout | undefined;
  let polling: Promise<void> = Promise.resolve();

  const look = async (): Promise<void> => {
    const rows = await database.db
      .selectFrom('revocations')
      .selectAll()
      .where('expiresAt', '>', now())
      .execute();
    list.add(rows);
  };

  const poll = async (): Promise<void> => {
    try {
      await look();
      failing = false;
    } catch (error) {
      // Reported once an outage, not twice a second.
      if (!failing) deps.onError(error);
      failing = true;
    }
    if (!closed) next();
  };
  const next = (): void => {
    timer = setTimeout(() => {
      polling = poll();
    }, POLL_MS);
  };

  await look();
  next();
  return {
    list,
    look,
    async close() {
      closed = true;
      clearTimeout(timer);
      await polling;
      clearTimeout(timer);
    },
  };
}
