import { setTimeout as wait } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database } from '../store/database.ts';
import { KEYRING_LOOK_MS } from './keyring.ts';
import { createSealing, type Sealing } from './sealing.ts';
import { newSecret, type SecretSource } from './secret-source.ts';

/** Every running server has looked at its secrets again by then. */
const ALL_KNOW_MS = 3 * KEYRING_LOOK_MS;

/** A column with sealed text. Whoever seals into a new one names it here, or a rotation would leave it behind. */
interface SealedColumn {
  readonly table: string;
  readonly key: string;
  readonly column: string;
  readonly purpose: string;
}

const SEALED_COLUMNS: readonly SealedColumn[] = [
  { table: 'workshops', key: 'id', column: 'apiKeySealed', purpose: 'workshop-api-key' },
  { table: 'signingKeys', key: 'kid', column: 'privateKeySealed', purpose: 'signing-key' },
  { table: 'sealedSecrets', key: 'name', column: 'sealed', purpose: 'installation' },
];

/** The operator has to do something first; the message says what. */
export class RotationRefused extends Error {
  override readonly name = 'RotationRefused';
}

/**
 * Brings everything that is sealed under a new secret, beside running servers and without them. Killed
 * at any moment it leaves what every start can read, and run again it goes on where it was: new and old
 * secret stand side by side until {@link dropOldSecrets}. Gives how many secrets were sealed anew.
 */
export async function rotateEncryption(deps: {
  readonly database: Database;
  readonly source: SecretSource;
  /** Told each step as it begins; for tests also the place to die at. */
  readonly onStep?: (step: 'announce' | 'switch' | 'reseal' | 'check') => Promise<void> | void;
  readonly pause?: (ms: number) => Promise<unknown>;
}): Promise<{ readonly resealed: number; readonly resumed: boolean }> {
  const { database, source, onStep = () => {}, pause = wait } = deps;
  const secrets = await source.read();
  const before = createSealing(() => secrets);
  const unfinished = secrets.length > 1 && (await pending(database, before)) > 0;
  if (!unfinished) {
    if (!source.write) {
      if (secrets.length > 1) return { resealed: 0, resumed: false };
      throw new RotationRefused(
        `The secret comes from ${source.name}, which this command cannot change. Start every server with ` +
          'WORKSPACE_TOKEN_SECRET=<old> and WORKSPACE_TOKEN_SECRET_OLD=<new>, then with the two exchanged, and run ' +
          'this command with the same two. Make a new secret with: openssl rand -base64 32',
      );
    }
    const [newest = '', ...older] = secrets;
    const next = newSecret();
    // First every server can open what the new secret seals, then they seal with it.
    await onStep('announce');
    await source.write([newest, next, ...older]);
    await pause(ALL_KNOW_MS);
    await onStep('switch');
    await source.write([next, ...secrets]);
    await pause(ALL_KNOW_MS);
  }
  const current = await source.read();
  const sealing = createSealing(() => current);
  let resealed = 0;
  await onStep('reseal');
  // Again, for what a server sealed with the old secret just before it heard of the new one.
  for (let found = -1; found !== 0; ) {
    found = await resealAll(database, sealing);
    resealed += found;
    await onStep('check');
  }
  return { resealed, resumed: unfinished };
}

/** Forgets the old secrets, once nothing needs them; backups of before still do. Gives how many there were. */
export async function dropOldSecrets(deps: {
  readonly database: Database;
  readonly source: SecretSource;
}): Promise<number> {
  const { database, source } = deps;
  const secrets = await source.read();
  const [newest, ...older] = secrets;
  const left = await pending(
    database,
    createSealing(() => secrets),
  );
  if (left > 0) {
    throw new RotationRefused(
      `${left} ${left === 1 ? 'secret is' : 'secrets are'} still sealed with an old key, which therefore stays. Run \`clarateach keys rotate-encryption\` first.`,
    );
  }
  if (older.length === 0 || newest === undefined) return 0;
  if (!source.write) {
    throw new RotationRefused(
      `Nothing needs the old secret any more. It comes from ${source.name}: take WORKSPACE_TOKEN_SECRET_OLD out of the environment of every server.`,
    );
  }
  await source.write([newest]);
  return older.length;
}

/** How many sealed texts are not under the newest key. Throws when one opens with none of the secrets. */
async function pending(database: Database, sealing: Sealing): Promise<number> {
  let count = 0;
  for (const column of SEALED_COLUMNS) {
    for (const { sealed } of await rowsOf(database, column)) {
      if (sealing.reseal(column.purpose, sealed) !== sealed) count++;
    }
  }
  return count;
}

async function resealAll(database: Database, sealing: Sealing): Promise<number> {
  let count = 0;
  for (const column of SEALED_COLUMNS) {
    for (const { key, sealed } of await rowsOf(database, column)) {
      const next = sealing.reseal(column.purpose, sealed);
      if (next === sealed) continue;
      // Row by row, and only if nobody changed it meanwhile: a server at work never waits for this.
      await sql`update ${sql.table(column.table)} set ${sql.ref(column.column)} = ${next}
        where ${sql.ref(column.key)} = ${key} and ${sql.ref(column.column)} = ${sealed}`.execute(database.db);
      count++;
    }
  }
  return count;
}

async function rowsOf(
  { db }: Database,
  { table, key, column }: SealedColumn,
): Promise<readonly { key: string; sealed: string }[]> {
  const { rows } = await sql<{ key: string; sealed: string }>`
    select ${sql.ref(key)} as ${sql.id('key')}, ${sql.ref(column)} as ${sql.id('sealed')} from ${sql.table(table)}
    where ${sql.ref(column)} is not null`.execute(db);
  return rows;
}
