import { type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { PublicError } from '@clarateach/contract/errors';
import { type Odehash, type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import {
  type SeatClaims,
  seatClaims,
  TOKEN_AUDIENCE,
  TOKEN_ISSUER,
  TOKEN_LIFETIME_SECONDS,
  TOKEN_RENEWAL_SECONDS,
} from '@clarateach/contract/token';
import type { Revocations } from '@clarateach/gateway/ports';
import type { SigningKeys } from './signing-keys.ts';

const SKEW_SECONDS = 30;
const MAX_TOKEN_LENGTH = 8192;
const TOKEN = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

/** Whom a token is for. */
export interface TokenSubject {
  readonly workshop: { readonly id: WorkshopId };
  readonly seat: number;
  readonly odehash: Odehash;
}

export interface SeatTokens {
  /**
   * RS256, good for two hours. A signature costs about half a millisecond of a core; it is made
   * beside the main thread, so a class that joins at once keeps all cores busy.
   */
  issue(subject: TokenSubject): Promise<{ readonly token: string; readonly expiresAt: string }>;
  /**
   * The claims of a genuine token that is in time or expired less than a day ago. Throws
   * `unauthenticated`, and `removed` for one that was taken back. Whether its learner still holds the seat is asked elsewhere.
   */
  verifyForRenewal(token: string): SeatClaims;
  /** Whether the key that one of our own tokens was signed with is honoured still. */
  isHonoured(token: string): boolean;
}

export function createSeatTokens(deps: {
  readonly keys: SigningKeys;
  readonly now: () => number;
  /** Address of the machine that has the seat; empty where server and seats share one. */
  readonly vmIp?: (seat: SeatId) => string;
  /** Seconds since the epoch: what is made for this learner has to say no earlier time. */
  readonly notBefore?: Revocations['notBefore'];
}): SeatTokens {
  const { keys, now } = deps;

  const issue: SeatTokens['issue'] = async (subject) => {
    const { workshop, seat, odehash } = subject;
    const { kid, privateKey } = keys.signer();
    const iat = Math.max(Math.floor(now() / 1000), deps.notBefore?.(workshop.id, odehash) ?? 0);
    const exp = iat + TOKEN_LIFETIME_SECONDS;
    const claims: SeatClaims = {
      iss: TOKEN_ISSUER,
      aud: TOKEN_AUDIENCE,
      jti: randomUUID(),
      iat,
      exp,
      workshopId: workshop.id,
      seat,
      odehash,
      containerId: seatName({ workshop: workshop.id, seat }),
      vmIp: deps.vmIp?.({ workshop: workshop.id, seat }) ?? '',
    };
    const content = `${encode({ alg: 'RS256', typ: 'JWT', kid })}.${encode(claims)}`;
    const signature = await signed(content, privateKey);
    // The key was replaced meanwhile, and nobody should be given a token that opens nothing.
    if (keys.publicKeys.find(kid) === undefined && keys.signer().kid !== kid) return issue(subject);
    return {
      token: `${content}.${signature.toString('base64url')}`,
      expiresAt: new Date(exp * 1000).toISOString(),
    };
  };

  return {
    issue,

    isHonoured(token) {
      const [, head = ''] = TOKEN.exec(token) ?? [];
      const { kid } = (decode(head) ?? {}) as { kid?: unknown };
      return typeof kid === 'string' && keys.publicKeys.find(kid) !== undefined;
    },

    verifyForRenewal(token) {
      const claims = genuineClaims(token, keys);
      if (claims === undefined) throw refused();
      const seconds = now() / 1000;
      if (claims.iat > seconds + SKEW_SECONDS) throw refused();
      if (claims.exp + TOKEN_RENEWAL_SECONDS <= seconds) {
        throw new PublicError(
          'unauthenticated',
          'This seat was left more than a day ago. Join again with the code and your return code; the seat is the same.',
        );
      }
      if (claims.iat < (deps.notBefore?.(claims.workshopId, claims.odehash) ?? 0)) {
        throw new PublicError(
          'removed',
          'The instructor removed you from this workshop. Talk to them if that is a mistake.',
        );
      }
      return claims;
    },
  };
}

function genuineClaims(token: string, keys: SigningKeys): SeatClaims | undefined {
  if (token.length > MAX_TOKEN_LENGTH) return undefined;
  const [, head, body, signature] = TOKEN.exec(token) ?? [];
  if (head === undefined || body === undefined || signature === undefined) return undefined;
  const header = decode(head) as { alg?: unknown; kid?: unknown; crit?: unknown } | undefined;
  // The algorithm is ours to choose: a header that names another is a forgery.
  if (header?.alg !== 'RS256' || typeof header.kid !== 'string' || header.crit !== undefined)
    return undefined;
  const key = keys.publicKeys.find(header.kid);
  if (!key) return undefined;
  const bytes = Buffer.from(signature, 'base64url');
  // One spelling of each token, so that whoever keeps a list of them is not passed by another.
  if (bytes.toString('base64url') !== signature) return undefined;
  if (!verify('RSA-SHA256', Buffer.from(`${head}.${body}`), key, bytes)) return undefined;
  const claims = seatClaims.safeParse(decode(body));
  return claims.success ? claims.data : undefined;
}

function refused(): PublicError {
  return new PublicError(
    'unauthenticated',
    'This is not a valid seat token. Join again with the code and your return code.',
  );
}

function signed(content: string, key: KeyObject): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    sign('RSA-SHA256', Buffer.from(content), key, (error, signature) =>
      error ? reject(error) : resolve(signature),
    );
  });
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
