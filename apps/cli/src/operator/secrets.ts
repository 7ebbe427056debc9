import type { Config } from '@clarateach/server/config';
import type { Database } from '@clarateach/server/store/database';
import { openSealedSecrets, type SealedSecrets } from '@clarateach/server/tokens/sealed-secrets';
import { createSealing } from '@clarateach/server/tokens/sealing';
import { secretSource } from '@clarateach/server/tokens/secret-source';

/** The secrets of the installation whose database this is, for a command beside the server. */
export async function secretsOf(config: Config, database: Database): Promise<SealedSecrets> {
  const secrets = await secretSource(config.secret).read();
  return openSealedSecrets(
    database,
    createSealing(() => secrets),
  );
}
