import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type KeyObject,
  randomBytes,
  type webcrypto,
} from 'node:crypto';
import { promisify } from 'node:util';
import { TOKEN_LIFETIME_SECONDS, TOKEN_RENEWAL_SECONDS } from '@clarateach/contract/token';
import type { PublicKeys } from '@clarateach/gateway/ports';
import { tellOtherServersOfKeys } from '../removal/signals.ts';
import { type Database, isUniqueViolation } from '../store/database.ts';
import type { SigningKeysTable } from '../store/people-schema.ts';
import { WRONG_SECRET } from './sealed-secrets.ts';
import { SealBroken, type Sealing } from './sealing.ts';

const MODULUS_BITS = 2048;
const REFRESH_MS = 60_000;
/** Which keys there are is asked so often, for what no signal brought. */
const POLL_MS = 500;
/** A new key signs only once every server and verifier has had time to hear of it. */
const SIGNS_AFTER_MS = 3 * REFRESH_MS;
/** An old key is honoured until its last token can no longer be renewed. */
const OVERLAP_MS = (TOKEN_LIFETIME_SECONDS + TOKEN_RENEWAL_SECONDS) * 1000 + REFRESH_MS;
const ROTATE_AFTER_MS = 30 * 24 * 60 * 60 * 1000;
const PURPOSE = 'signing-key';

const generate = promisify(generateKeyPair);

/** RFC 7517. */
export type Jwk = webcrypto.JsonWebKey & { readonly kid: string };
export interface Jwks {
  readonly keys: readonly Jwk[];
}

/**
 * The key pairs of seat tokens, kept in the database so that all servers on it share them. Private
 * keys are sealed. One is made at the first start and another every 30 days.
 */
export interface SigningKeys {
  readonly publicKeys: Required<PublicKeys>;
  /** What verifiers elsewhere fetch: every key whose tokens are still honoured. */
  jwks(): Jwks;
  signer(): { readonly kid: string; readonly privateKey: KeyObject };
  /** Makes a new key, which signs three minutes later. The old one is honoured for as long as its tokens last. */
  rotate(): Promise<void>;
  /**
   * Makes a new key, which signs at once, and forgets every other: their tokens open nothing any more and
   * cannot be renewed. Other servers know it within half a second.
   */
  replace(): Promise<void>;
  /** Reads the database now, because another server says that the keys have changed. */
  look(): void;
  /** Called after a key came or went. Returns the unsubscribe. */
  onChange(listener: () => void): () => void;
  /** Every key whose tokens are still honoured, the newest first. */
  view(): readonly KeyView[];
  close(): Promise<void>;
}

/** What an operator sees of a key; times are ISO 8601. */
export interface KeyView {
  readonly kid: string;
  readonly createdAt: string;
  /** Every server and verifier has heard of it by then. */
  readonly signsFrom: string;
  /** Null while it is the newest. */
  readonly verifiesUntil: string | null;
}

interface LoadedKey {
  readonly row: SigningKeysTable;
  readonly publicKey: KeyObject;
  readonly jwk: Jwk;
}

/** Throws with one clear line when the keys were sealed with another secret. */
export async function openSigningKeys(deps: {
  readonly database: Database;
  readonly sealing: Sealing;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): Promise<SigningKeys> {
  const { database, sealing, now } = deps;
  let keys: readonly LoadedKey[] = [];
  let signer: { readonly kid: string; readonly privateKey: KeyObject } | undefined;
  let looking: Promise<void> | undefined;
  let reading: Promise<void> = Promise.resolve();
  let polling: Promise<void> = Promise.resolve();
  let closed = false;
  let failing = false;
  const changeListeners = new Set<() => void>();
  const goneListeners = new Set<() => void>();

  /** One after the other: an answer from before must never bring back a key that a later one lacks. */
  const read = (): Promise<void> => {
    reading = reading.catch(() => undefined).then(readNow);
    return reading;
  };

  const readNow = async (): Promise<void> => {
    const rows = await database.db
      .selectFrom('signingKeys')
      .selectAll()
      .where((eb) => eb.or([eb('verifiesUntil', 'is', null), eb('verifiesUntil', '>', now())]))
      .orderBy('generation', 'desc')
      .execute();
    const known = new Map(keys.map((key) => [key.row.kid, key]));
    keys = rows.map((row) => {
      const old = known.get(row.kid);
      return old ? { ...old, row } : load(row);
    });
    chooseSigner();
    const left = keys.filter(({ row }) => known.has(row.kid)).length;
    if (left < known.size) for (const listener of goneListeners) listener();
    if (left < known.size || left < keys.length) for (const listener of changeListeners) listener();
  };

  const chooseSigner = (): void => {
    // Who made the key may have a faster clock: where all are of the future, the oldest has to do.
    const newest = (keys.find(({ row }) => row.signsFrom <= now()) ?? keys.at(-1))?.row;
    if (newest?.kid === signer?.kid) return;
    signer = newest && { kid: newest.kid, privateKey: openPrivateKey(newest, sealing) };
  };

  /** Gives whether the key was made: of several servers that are at it one is first. */
  const insert = async (
    after: SigningKeysTable | undefined,
    before: 'honoured' | 'forgotten' = 'honoured',
  ): Promise<boolean> => {
    const { publicKey, privateKey } = await generate('rsa', { modulusLength: MODULUS_BITS });
    const createdAt = now();
    const signsFrom = after && before === 'honoured' ? createdAt + SIGNS_AFTER_MS : createdAt;
    const row: SigningKeysTable = {
      kid: randomBytes(12).toString('base64url'),
      generation: (after?.generation ?? 0) + 1,
      publicKey: JSON.stringify(publicKey.export({ format: 'jwk' })),
      privateKeySealed: sealing.seal(PURPOSE, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
      createdAt,
      signsFrom,
      verifiesUntil: null,
    };
    try {
      await database.transaction(async (trx) => {
        await trx.insertInto('signingKeys').values(row).execute();
        if (before === 'forgotten') {
          // Gone, and not only over: no clock and no backlog of a server brings one back.
          await trx.deleteFrom('signingKeys').where('generation', '<', row.generation).execute();
        }
        await trx
          .updateTable('signingKeys')
          .set({ verifiesUntil: signsFrom + OVERLAP_MS })
          .where('generation', '<', row.generation)
          .where('verifiesUntil', 'is', null)
          .execute();
        await trx.deleteFrom('signingKeys').where('verifiesUntil', '<', createdAt).execute();
        await tellOtherServersOfKeys(database, trx);
      });
      return true;
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      return false;
    }
  };

  const rotate = async (): Promise<void> => {
    await read();
    // Where another server was first, its key is as good.
    await insert(keys[0]?.row);
    await read();
  };

  const replace = async (): Promise<void> => {
    // Where another server was first, it may have kept the old keys.
    for (let made = false; !made; ) {
      await read();
      made = await insert(keys[0]?.row, 'forgotten');
    }
    await read();
  };

  const refresh = async (): Promise<void> => {
    await read();
    const newest = keys[0]?.row;
    if (newest && newest.createdAt + ROTATE_AFTER_MS < now()) await rotate();
  };

  const look = (): void => {
    looking ??= refresh()
      .catch(deps.onError)
      .finally(() => {
        looking = undefined;
      });
  };

  /** Asks for the names alone, twice a second: the keys themselves only when those differ. */
  const poll = async (): Promise<void> => {
    try {
      const rows = await database.db
        .selectFrom('signingKeys')
        .select('kid')
        .where((eb) => eb.or([eb('verifiesUntil', 'is', null), eb('verifiesUntil', '>', now())]))
        .execute();
      const kids = new Set(rows.map(({ kid }) => kid));
      if (rows.length !== keys.length || keys.some(({ row }) => !kids.has(row.kid))) await read();
      failing = false;
    } catch (error) {
      // Reported once an outage, not twice a second.
      if (!failing) deps.onError(error);
      failing = true;
    }
  };
  let pollTimer: NodeJS.Timeout | undefined;
  const pollNext = (): void => {
    pollTimer = setTimeout(() => {
      polling = poll().then(() => {
        if (!closed) pollNext();
      });
    }, POLL_MS);
    pollTimer.unref();
  };

  await read();
  if (keys.length === 0) {
    await insert(undefined);
    await read();
  }
  pollNext();
  const timer = setInterval(look, REFRESH_MS).unref();

  return {
    publicKeys: {
      find(kid) {
        const found = keys.find(({ row }) => row.kid === kid);
        if (found && (found.row.verifiesUntil ?? Number.POSITIVE_INFINITY) > now()) return found.publicKey;
        return undefined;
      },
      onGone(listener) {
        goneListeners.add(listener);
        return () => goneListeners.delete(listener);
      },
    },
    jwks: () => ({
      keys: keys
        .filter(({ row }) => (row.verifiesUntil ?? Number.POSITIVE_INFINITY) > now())
        .map(({ jwk }) => jwk),
    }),
    signer() {
      chooseSigner();
      if (!signer) throw new Error('There is no key to sign with.');
      return signer;
    },
    rotate,
    replace,
    look() {
      read().catch(deps.onError);
    },
    onChange(listener) {
      changeListeners.add(listener);
      return () => changeListeners.delete(listener);
    },
    view: () =>
      keys
        .filter(({ row }) => (row.verifiesUntil ?? Number.POSITIVE_INFINITY) > now())
        .map(({ row }) => ({
          kid: row.kid,
          createdAt: new Date(row.createdAt).toISOString(),
          signsFrom: new Date(row.signsFrom).toISOString(),
          verifiesUntil: row.verifiesUntil === null ? null : new Date(row.verifiesUntil).toISOString(),
        })),
    async close() {
      closed = true;
      clearInterval(timer);
      clearTimeout(pollTimer);
      await polling;
      clearTimeout(pollTimer);
      await looking;
      await reading.catch(() => undefined);
    },
  };
}

function load(row: SigningKeysTable): LoadedKey {
  const jwk = JSON.parse(row.publicKey) as webcrypto.JsonWebKey;
  return {
    row,
    publicKey: createPublicKey({ key: jwk, format: 'jwk' }),
    jwk: { ...jwk, kid: row.kid, alg: 'RS256', use: 'sig' },
  };
}

function openPrivateKey(row: SigningKeysTable, sealing: Sealing): KeyObject {
  try {
    return createPrivateKey(sealing.open(PURPOSE, row.privateKeySealed));
  } catch (cause) {
    if (!(cause instanceof SealBroken)) throw cause;
    throw new Error(WRONG_SECRET, { cause });
  }
}
