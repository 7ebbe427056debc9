import { access } from 'node:fs/promises';
import type { Config } from '@clarateach/server/config';
import type { Database } from '@clarateach/server/store/database';
import { openSealedSecrets, type SealedSecrets } from '@clarateach/server/tokens/sealed-secrets';
import { createSealing } from '@clarateach/server/tokens/sealing';
import { secretSource } from '@clarateach/server/tokens/secret-source';
import { CommandError } from '../errors.ts';

/** The secrets of the installation whose database this is, for a command beside the server. */
export async function secretsOf(config: Config, database: Database): Promise<SealedSecrets> {
  await requireSecret(config.secret, database);
  const secrets = await secretSource(config.secret).read();
  return openSealedSecrets(
    database,
    createSealing(() => secrets),
  );
}

/** A secret that is made here would open nothing of a database that another one has sealed. */
async function requireSecret(secret: Config['secret'], { db }: Database): Promise<void> {
  if (secret.kind === 'given') return;
  const missing = await access(secret.path).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT' || error.code === 'ENOTDIR',
  );
  if (!missing) return;
  const sealed = await db.selectFrom('sealedSecrets').select('name').limit(1).executeTakeFirst();
  if (sealed === undefined) return;
  throw new CommandError(
    `The secret that this database is sealed with is not in ${secret.path}, so nothing was done. ` +
      "Name the server's data directory (`--data DIR`, or DATA_DIR), or its WORKSPACE_TOKEN_SECRET.",
  );
}
