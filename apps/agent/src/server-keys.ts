import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { PublicKeys } from '@clarateach/gateway/ports';
import { z } from 'zod';
import type { SavedJson } from './saved-json.ts';

const JWKS_PATH = '/.well-known/jwks.json';
const REFRESH_MS = 60_000;
const RETRY_MS = 2_000;
const FETCH_MS = 5_000;
/** How often a token that names an unknown key may send us to the server. */
const UNKNOWN_KID_LOOK_MS = 2_000;
/** A server that we are told by may know of new keys before the one that we ask: it is asked again after these. */
const CATCH_UP_MS = [0, 200, 500] as const;
/** Keys that the server has not confirmed for so long count no more. */
export const KEYS_GOOD_FOR_MS = 24 * 60 * 60 * 1000;

const jwks = z.object({ keys: z.array(z.looseObject({ kid: z.string(), kty: z.literal('RSA') })) });
export const savedKeys = z.object({ confirmedAt: z.number(), jwks });
type SavedKeys = z.infer<typeof savedKeys>;

/** The server's public keys, kept in memory and on disk, and refreshed beside the requests. */
export interface ServerKeys {
  readonly publicKeys: Required<PublicKeys>;
  /** Whether there are any keys; a token that comes before the first is worth a {@link look}. */
  readonly known: boolean;
  /** The names of the keys that count; none once the server has not confirmed them for too long. */
  ids(): readonly string[];
  /** Asks the server now; resolves in a few seconds, whatever comes of it. */
  look(): Promise<void>;
  /** Asks the server now, if these are not the keys that we have; resolves as {@link look} does. */
  catchUp(ids: readonly string[]): Promise<void>;
  /** Milliseconds since the server confirmed the keys; undefined before the first time. */
  ageMs(): number | undefined;
  close(): Promise<void>;
}

export async function openServerKeys(deps: {
  readonly serverUrl: string;
  readonly saved: SavedJson<SavedKeys>;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
}): Promise<ServerKeys> {
  const { serverUrl, saved, now, onError } = deps;
  const closing = new AbortController();
  let keys = new Map<string, { readonly text: string; readonly key: KeyObject }>();
  let confirmedAt: number | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;
  let failing = false;
  let timer: NodeJS.Timeout | undefined;
  const goneListeners = new Set<() => void>();

  const take = (found: SavedKeys): void => {
    const next: typeof keys = new Map();
    for (const jwk of found.jwks.keys) {
      const text = JSON.stringify(jwk);
      const old = keys.get(jwk.kid);
      // The gateway remembers a token together with the key object that verified it.
      next.set(
        jwk.kid,
        old?.text === text
          ? old
          : { text, key: createPublicKey({ key: jwk as unknown as webcrypto.JsonWebKey, format: 'jwk' }) },
      );
    }
    const gone = [...keys].some(([kid, { key }]) => next.get(kid)?.key !== key);
    keys = next;
    confirmedAt = found.confirmedAt;
    if (gone) for (const listener of goneListeners) listener();
  };

  const fetchKeys = async (): Promise<void> => {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(FETCH_MS)]);
    // A cache on the way may have keys that have ended.
    const response = await fetch(new URL(JWKS_PATH, serverUrl), { signal, cache: 'no-store' });
    if (!response.ok) throw new Error(`The server answered ${response.status} to ${JWKS_PATH}.`);
    const found = { confirmedAt: now(), jwks: jwks.parse(await response.json()) };
    take(found);
    await saved.write(found);
  };

  const look = (): Promise<void> => {
    clearTimeout(timer);
    lookedAt = now();
    looking ??= fetchKeys()
      .then(
        () => {
          failing = false;
        },
        (error: unknown) => {
          // Reported once an outage: the kept keys go on working.
          if (!failing && !closing.signal.aborted) onError(error);
          failing = true;
        },
      )
      .finally(() => {
        looking = undefined;
        if (closing.signal.aborted) return;
        timer = setTimeout(look, failing ? RETRY_MS : REFRESH_MS);
        timer.unref();
      });
    return looking;
  };

  const areGood = (): boolean => confirmedAt !== undefined && now() - confirmedAt < KEYS_GOOD_FOR_MS;
  const ids = (): readonly string[] => (areGood() ? [...keys.keys()] : []);

  const kept = await saved.read();
  if (kept) take(kept);
  void look();

  return {
    publicKeys: {
      find(kid) {
        const known = keys.get(kid);
        if (known && areGood()) return known.key;
        if (!known && now() - lookedAt >= UNKNOWN_KID_LOOK_MS) void look();
        return undefined;
      },
      onGone(listener) {
        goneListeners.add(listener);
        return () => goneListeners.delete(listener);
      },
    },
    get known() {
      return keys.size > 0;
    },
    ids,
    look,
    async catchUp(wanted) {
      for (const afterMs of CATCH_UP_MS) {
        const mine = ids();
        if (wanted.length === mine.length && wanted.every((kid) => mine.includes(kid))) return;
        if (afterMs > 0) await wait(afterMs, undefined, { signal: closing.signal }).catch(() => undefined);
        if (closing.signal.aborted) return;
        await look();
      }
    },
    ageMs: () => (confirmedAt === undefined ? undefined : now() - confirmedAt),
    async close() {
      closing.abort();
      clearTimeout(timer);
      await looking;
    },
  };
}
