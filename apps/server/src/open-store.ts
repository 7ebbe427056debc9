import { sql } from 'kysely';
import type { DatabaseLocation } from './config.ts';
import { type Database, migrate, openDatabase } from './store/database.ts';

/** The server's database with this version's schema. Throws with one clear line that holds no password. */
export async function openStore(
  location: DatabaseLocation,
  events: {
    readonly onMigrated: (name: string) => void;
    readonly onConnectionError: (error: Error) => void;
  },
): Promise<Database> {
  const database = openDatabase(
    location.kind === 'sqlite' ? { ...location, access: 'serve' } : location,
    events.onConnectionError,
  );
  try {
    if (location.kind === 'postgresql') await answers(database, location.url);
    for (const name of await migrate(database)) events.onMigrated(name);
    if (location.kind === 'sqlite') await forgetLeases(database);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

/** The file is this server's alone, so whoever held a lease in it has ended: nobody has to wait for that. */
async function forgetLeases({ db }: Database): Promise<void> {
  await db.updateTable('workshops').set({ leaseHolder: null, leaseUntil: null }).execute();
}

async function answers({ db }: Database, url: string): Promise<void> {
  try {
    await sql`select 1`.execute(db);
  } catch (error) {
    const { host, pathname } = new URL(url);
    const { message } = ((error as Error).cause ?? error) as Error;
    throw new Error(
      `The PostgreSQL database ${pathname.slice(1)} at ${host} cannot be used: ${message}. ` +
        'Check DATABASE_URL, and that the database server runs and lets this user in.',
      { cause: error },
    );
  }
}
