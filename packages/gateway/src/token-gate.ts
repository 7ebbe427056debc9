import { type KeyObject, verify } from 'node:crypto';
import { PublicError } from '@clarateach/contract/errors';
import { type SeatClaims, seatClaims } from '@clarateach/contract/token';
import type { Clock, PublicKeys } from './ports.ts';

const MAX_TOKEN_LENGTH = 8192;
const REMEMBERED_TOKENS = 4096;
/** Clocks of servers differ a little; `exp` is taken at its word nevertheless. */
const SKEW_SECONDS = 30;
const TOKEN = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;
const HEADER_NAMES = new Set(['alg', 'typ', 'kid']);

/** What a genuine token says, and the name of the key that it was signed with. */
export type VerifiedToken = SeatClaims & { readonly kid: string };

interface Remembered {
  readonly claims: VerifiedToken;
  readonly key: KeyObject;
}

export interface TokenGate {
  /**
   * The claims of a token that is genuine and in time. Whether its learner still holds the seat is
   * asked elsewhere, on every request. Throws `unauthenticated`.
   */
  verify(token: string | undefined): VerifiedToken;
}

/** Only one spelling of the same bytes passes, so a token can't be varied without breaking it. */
function decode(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}

function parseObject(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  if (!bytes) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The `kid` of a header that says RS256 and nothing that could change how the token is read. */
function strictKid(header: Record<string, unknown> | undefined): string | undefined {
  if (!header || !Object.keys(header).every((name) => HEADER_NAMES.has(name))) return undefined;
  if (header.alg !== 'RS256') return undefined;
  const type = header.typ;
  if (type !== undefined && (typeof type !== 'string' || type.toUpperCase() !== 'JWT')) return undefined;
  const kid = header.kid;
  return typeof kid === 'string' && kid !== '' ? kid : undefined;
}

function refused(message: string): PublicError {
  return new PublicError('unauthenticated', message);
}

export function createTokenGate({ keys, clock }: { keys: PublicKeys; clock: Clock }): TokenGate {
  // Two generations bound the memory and keep what is in use, without bookkeeping on each hit.
  let young = new Map<string, Remembered>();
  let old = new Map<string, Remembered>();

  function remember(token: string, entry: Remembered): void {
    if (young.size >= REMEMBERED_TOKENS / 2) {
      old = young;
      young = new Map();
    }
    young.set(token, entry);
  }

  function recall(token: string): Remembered | undefined {
    const hit = young.get(token);
    if (hit) return hit;
    const aged = old.get(token);
    if (aged) {
      old.delete(token);
      remember(token, aged);
    }
    return aged;
  }

  function examine(token: string): Remembered | undefined {
    const parts = TOKEN.exec(token);
    if (!parts) return undefined;
    const [, header = '', payload = '', signature = ''] = parts;
    const kid = strictKid(parseObject(decode(header)));
    const key = kid === undefined ? undefined : keys.find(kid);
    const signatureBytes = decode(signature);
    // The key's own type decides the algorithm of `verify`, so it has to be RSA.
    if (kid === undefined || key?.type !== 'public' || key.asymmetricKeyType !== 'rsa' || !signatureBytes) {
      return undefined;
    }
    if (!verify('RSA-SHA256', Buffer.from(`${header}.${payload}`), key, signatureBytes)) return undefined;
    const body = parseObject(decode(payload));
    const claims = seatClaims.safeParse(body);
    if (!claims.success || typeof body?.seat !== 'number') return undefined;
    const latest = clock() / 1000 + SKEW_SECONDS;
    const notBefore = body.nbf;
    if (notBefore !== undefined && !(typeof notBefore === 'number' && notBefore <= latest)) return undefined;
    if (claims.data.iat > latest) return undefined;
    return { claims: { ...claims.data, kid }, key };
  }

  return {
    verify(token) {
      if (token === undefined) {
        throw refused('This address needs a seat token. Join the workshop to get one.');
      }
      if (token.length > MAX_TOKEN_LENGTH) throw refused('This seat token is not valid. Join again.');
      let entry = recall(token);
      // A key that was taken away, or replaced under the same name, takes its tokens with it.
      if (entry && keys.find(entry.claims.kid) !== entry.key) {
        young.delete(token);
        entry = undefined;
      }
      if (!entry) {
        entry = examine(token);
        if (!entry) throw refused('This seat token is not valid. Join again.');
        if (entry.claims.exp * 1000 > clock()) remember(token, entry);
      }
      if (entry.claims.exp * 1000 <= clock()) {
        throw refused('This seat token has expired. Renew it and try again; nothing in the seat is lost.');
      }
      return entry.claims;
    },
  };
}
