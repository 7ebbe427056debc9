import type { Database } from '../store/database.ts';
import { SealBroken, type Sealing } from './sealing.ts';

const PURPOSE = 'installation';
const USES = ['sessions', 'previews', 'audit'] as const;

/** 32 bytes for each use, the same on every server and after every rotation, so that nobody is signed out by one. */
export type SealedSecrets = Readonly<Record<(typeof USES)[number], Buffer>>;

export const WRONG_SECRET =
  'WORKSPACE_TOKEN_SECRET (or secret.key in DATA_DIR) is not the secret that this database was made with, ' +
  'so its sealed keys cannot be read. Start with the original secret. Nothing was changed.';

/** Makes what is missing. Throws with one clear line when the secrets were sealed with another one. */
export async function openSealedSecrets({ db }: Database, sealing: Sealing): Promise<SealedSecrets> {
  const read = async () =>
    new Map(
      (await db.selectFrom('sealedSecrets').selectAll().execute()).map(({ name, sealed }) => [name, sealed]),
    );
  let known = await read();
  const missing = USES.filter((use) => !known.has(use));
  if (missing.length > 0) {
    await db
      .insertInto('sealedSecrets')
      .values(
        missing.map((name) => ({
          name,
          // What earlier versions derived anew at each start: cookies of then stay good.
          sealed: sealing.seal(PURPOSE, sealing.derive(name).toString('base64')),
        })),
      )
      .onConflict((conflict) => conflict.column('name').doNothing())
      .execute();
    // Another server may have been first; its secrets are the ones.
    known = await read();
  }
  const open = (name: string): Buffer => {
    try {
      return Buffer.from(sealing.open(PURPOSE, known.get(name) ?? ''), 'base64');
    } catch (cause) {
      if (!(cause instanceof SealBroken)) throw cause;
      throw new Error(WRONG_SECRET, { cause });
    }
  };
  return { sessions: open('sessions'), previews: open('previews'), audit: open('audit') };
}
