import { setTimeout as wait } from 'node:timers/promises';
import { type WorkshopId, workshopId } from '@clarateach/contract/ids';
import { type Kysely, sql, type Transaction } from 'kysely';
import pg from 'pg';
import type { DatabaseLocation } from '../config.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';

const CHANNEL = 'clarateach_workshop';
const KEYS_CHANNEL = 'clarateach_keys';
const RETRY_MS = 2_000;
const CONNECT_MS = 5_000;

/** Ends the waiting for what other servers say. */
export interface Signals {
  close(): Promise<void>;
}

/**
 * What servers of one PostgreSQL tell each other at once, beside the polling that finds the same a
 * little later: an address that pools transactions takes no LISTEN, and a lost connection hears
 * nothing. An SQLite file has one server, which needs none of this.
 */
export function listenToServers(
  location: DatabaseLocation,
  {
    onWorkshop,
    onKeys,
  }: {
    readonly onWorkshop: (id: WorkshopId) => void;
    /** Signing keys came or went. */
    readonly onKeys: () => void;
  },
): Signals {
  if (location.kind !== 'postgresql') return { close: async () => {} };
  const closing = new AbortController();

  const listenOnce = async (): Promise<void> => {
    const client = new pg.Client({
      connectionString: location.url,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      application_name: 'clarateach signals',
    });
    const ended = new Promise<void>((resolve) => {
      client.on('end', resolve);
      client.on('error', () => resolve());
    });
    client.on('notification', ({ channel, payload }) => {
      if (channel === KEYS_CHANNEL) {
        onKeys();
        return;
      }
      const id = workshopId.safeParse(payload);
      if (id.success) onWorkshop(id.data);
    });
    const aborted = new Promise<void>((resolve) => {
      if (closing.signal.aborted) resolve();
      closing.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      await client.query(`listen ${KEYS_CHANNEL}`);
      await Promise.race([ended, aborted]);
    } finally {
      await client.end().catch(() => undefined);
    }
  };

  const run = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      // Whoever cannot listen polls; the pool beside this one reports an outage.
      await listenOnce().catch(() => undefined);
      await wait(RETRY_MS, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    async close() {
      closing.abort();
      await running;
    },
  };
}

/** Sent when the transaction commits, and not at all when it does not. */
export async function tellOtherServers(
  { kind }: Pick<Database, 'kind'>,
  trx: Transaction<Schema> | Kysely<Schema>,
  id: WorkshopId,
): Promise<void> {
  if (kind === 'postgresql') await sql`select pg_notify(${CHANNEL}, ${id})`.execute(trx);
}

/** As {@link tellOtherServers}: signing keys came or went. */
export async function tellOtherServersOfKeys(
  { kind }: Pick<Database, 'kind'>,
  trx: Transaction<Schema>,
): Promise<void> {
  if (kind === 'postgresql') await sql`select pg_notify(${KEYS_CHANNEL}, '')`.execute(trx);
}
