import type { SecretLocation } from '../config.ts';
import type { Database } from '../store/database.ts';
import { openKeyring } from './keyring.ts';
import { openSealedSecrets, type SealedSecrets } from './sealed-secrets.ts';
import { createSealing, type Sealing } from './sealing.ts';
import { secretSource } from './secret-source.ts';
import { openSigningKeys, type SigningKeys } from './signing-keys.ts';

/** All that the installation's one secret opens. */
export interface Secrets {
  readonly sealing: Sealing;
  readonly sealed: SealedSecrets;
  readonly keys: SigningKeys;
  close(): Promise<void>;
}

/** Throws with a line for people when the secret is not the one that the database was sealed with. */
export async function openSecrets(deps: {
  readonly secret: SecretLocation;
  readonly database: Database;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): Promise<Secrets> {
  const { database, now, onError } = deps;
  await using opening = new AsyncDisposableStack();
  const keyring = opening.adopt(await openKeyring({ source: secretSource(deps.secret), onError }), (each) =>
    each.close(),
  );
  const sealing = createSealing(keyring.secrets);
  const sealed = await openSealedSecrets(database, sealing);
  const keys = opening.adopt(await openSigningKeys({ database, sealing, now, onError }), (each) =>
    each.close(),
  );
  const opened = opening.move();
  return { sealing, sealed, keys, close: () => opened.disposeAsync() };
}
