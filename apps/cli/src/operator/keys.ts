import { userInfo } from 'node:os';
import { createAudit } from '@clarateach/server/audit/audit';
import type { Config } from '@clarateach/server/config';
import type { Database } from '@clarateach/server/store/database';
import { dropOldSecrets, RotationRefused, rotateEncryption } from '@clarateach/server/tokens/rotation';
import { createSealing } from '@clarateach/server/tokens/sealing';
import { type SecretSource, secretSource } from '@clarateach/server/tokens/secret-source';
import { type KeyView, openSigningKeys } from '@clarateach/server/tokens/signing-keys';
import { CommandError } from '../errors.ts';
import { openInstallation } from './database.ts';
import { secretsOf } from './secrets.ts';

/*
 * Keys are rotated by whoever can read the server's own data, beside running servers and without them.
 */

interface Tools {
  readonly database: Database;
  readonly source: SecretSource;
}

async function withKeys<T>(config: Config, work: (tools: Tools) => Promise<T>): Promise<T> {
  const database = await openInstallation(config);
  try {
    // Also the check that these are the secrets of this database.
    await secretsOf(config, database);
    return await work({ database, source: secretSource(config.secret) });
  } catch (error) {
    throw error instanceof RotationRefused ? new CommandError(error.message, { cause: error }) : error;
  } finally {
    await database.close();
  }
}

/** The operator's line in the audit log. */
async function note(
  config: Config,
  database: Database,
  action: string,
  details: Readonly<Record<string, string | number | boolean>>,
): Promise<void> {
  const audit = createAudit({
    database,
    secret: (await secretsOf(config, database)).audit,
    now: Date.now,
    keepDays: config.auditDays,
    onError: (error) => {
      throw error;
    },
  });
  void audit.record({
    actor: { kind: 'operator', name: userInfo().username },
    action,
    target: { kind: 'installation' },
    details,
  });
  await audit.close();
}

async function withSigningKeys<T>(
  { database, source }: Tools,
  work: (keys: Awaited<ReturnType<typeof openSigningKeys>>) => Promise<T>,
): Promise<T> {
  const secrets = await source.read();
  const keys = await openSigningKeys({
    database,
    sealing: createSealing(() => secrets),
    now: Date.now,
    onError: (error) => {
      throw error;
    },
  });
  try {
    return await work(keys);
  } finally {
    await keys.close();
  }
}

/** The keys whose tokens are honoured, the newest first. */
export function listKeys(config: Config): Promise<readonly KeyView[]> {
  return withKeys(config, (tools) => withSigningKeys(tools, async (keys) => keys.view()));
}

/** Makes a new signing key; gives all of them. */
export function rotateSigningKey(config: Config): Promise<readonly KeyView[]> {
  return withKeys(config, (tools) =>
    withSigningKeys(tools, async (keys) => {
      await keys.rotate();
      const [newest] = keys.view();
      await note(config, tools.database, 'keys.signing_rotated', { kid: newest?.kid ?? '' });
      return keys.view();
    }),
  );
}

/** Makes a new signing key and forgets the others; gives the new one, and how many tokens' keys ended. */
export function replaceSigningKeys(
  config: Config,
): Promise<{ readonly key: KeyView; readonly ended: readonly string[] }> {
  return withKeys(config, (tools) =>
    withSigningKeys(tools, async (keys) => {
      const before = keys.view().map(({ kid }) => kid);
      await keys.replace();
      const [key] = keys.view();
      if (!key) throw new CommandError('The new key cannot be read back. Look with: clarateach keys list');
      const ended = before.filter((kid) => kid !== key.kid);
      await note(config, tools.database, 'keys.signing_replaced', { kid: key.kid, ended: ended.join(' ') });
      return { key, ended };
    }),
  );
}

export function rotateEncryptionKey(
  config: Config,
): Promise<{ readonly resealed: number; readonly resumed: boolean }> {
  return withKeys(config, async (tools) => {
    const done = await rotateEncryption(tools);
    await note(config, tools.database, 'keys.encryption_rotated', { ...done });
    return done;
  });
}

/** Gives how many old secrets were forgotten. */
export function dropOldEncryptionKeys(config: Config): Promise<number> {
  return withKeys(config, async (tools) => {
    const dropped = await dropOldSecrets(tools);
    if (dropped > 0) await note(config, tools.database, 'keys.encryption_dropped', { dropped });
    return dropped;
  });
}
