import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Attempts, addressKey, createAttempts } from '../attempts.ts';

const DEVICE_SECONDS = 180 * 24 * 60 * 60;
const NONCE_BYTES = 16;

/**
 * Slows the guessing of passwords. Every wrong one fills three buckets, and a full one refuses before
 * anything is looked at, with `Retry-After`:
 *
 * | bucket                | at once | a minute | what it is for                                                      |
 * | --------------------- | ------- | -------- | ------------------------------------------------------------------- |
 * | address and account   | 5       | 5        | one person's typos; 7,200 guesses a day from one place              |
 * | address               | 30      | 30       | many accounts tried from one place; a school has one address        |
 * | account               | 100     | 20       | one account tried from everywhere: 28,800 guesses a day, of the 10⁶ |
 * |                       |         |          | commonest passwords a thirty-fifth                                  |
 *
 * Right ones are not counted, so a staff room signs in together. But buckets that others fill would
 * shut out the people behind the same address, or whoever owns the account that is tried. So a browser
 * that has signed in to the account before shows a cookie of its own, and only what this browser itself
 * gets wrong (5 at once, 5 a minute) counts against it: nobody else can lock it out. The cookie is good
 * for one account and signs nobody in.
 */
export interface PasswordGuesses {
  /** Throws `too_many_attempts` instead of guessing when there were too many wrong ones. */
  signIn<T>(
    guess: { readonly email: string; readonly address: string; readonly headers: IncomingHttpHeaders },
    work: () => Promise<T>,
    isRight: (result: T) => boolean,
  ): Promise<T>;
  /** For somebody who is signed in and shows the password again. */
  confirm<T>(userId: string, work: () => Promise<T>, isRight: (result: T) => boolean): Promise<T>;
  /** A `Set-Cookie` header by which the account's browser is known from now on. */
  deviceCookie(email: string): string;
}

export function createPasswordGuesses(deps: {
  readonly secret: Buffer;
  /** Cookies are Secure and bound to the host. */
  readonly secure: boolean;
  readonly now: () => number;
}): PasswordGuesses {
  const { now, secure } = deps;
  const key = createHmac('sha256', deps.secret).update('known devices').digest();
  const cookieName = secure ? '__Host-clarateach-device' : 'clarateach-device';
  const byAddressAndAccount = createAttempts({ burst: 5, perMinute: 5, now });
  const byAddress = createAttempts({ burst: 30, perMinute: 30, now });
  const byAccount = createAttempts({ burst: 100, perMinute: 20, now });
  const byDevice = createAttempts({ burst: 5, perMinute: 5, now });

  const seal = (nonce: string, email: string): Buffer =>
    createHmac('sha256', key).update(`${nonce} ${email.toLowerCase()}`).digest();

  /** The device's nonce, when its cookie is ours and for this account. */
  const deviceOf = (headers: IncomingHttpHeaders, email: string): string | undefined => {
    const value = cookieOf(headers, cookieName);
    const [nonce = '', mac = ''] = value?.split('.') ?? [];
    const given = Buffer.from(mac, 'base64url');
    const right = seal(nonce, email);
    return given.length === right.length && timingSafeEqual(given, right) ? nonce : undefined;
  };

  return {
    signIn({ email, address, headers }, work, isRight) {
      const account = email.toLowerCase();
      const device = deviceOf(headers, account);
      if (device !== undefined) return limited([[byDevice, device]], work, isRight);
      const from = addressKey(address);
      return limited(
        [
          [byAddress, from],
          [byAddressAndAccount, `${account} ${from}`],
          [byAccount, account],
        ],
        work,
        isRight,
      );
    },

    confirm: (userId, work, isRight) => limited([[byAddressAndAccount, `account ${userId}`]], work, isRight),

    deviceCookie(email) {
      const nonce = randomBytes(NONCE_BYTES).toString('base64url');
      const value = `${nonce}.${seal(nonce, email).toString('base64url')}`;
      return `${cookieName}=${value}; Max-Age=${DEVICE_SECONDS}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
    },
  };
}

function cookieOf({ cookie }: IncomingHttpHeaders, name: string): string | undefined {
  for (const pair of cookie?.split(';') ?? []) {
    const [key, value] = pair.split('=', 2);
    if (key?.trim() === name) return value?.trim();
  }
  return undefined;
}

/** Counts a guess before it is made, so that many at once cannot slip through, and forgives a right one. */
async function limited<T>(
  keys: readonly (readonly [Attempts, string])[],
  guess: () => Promise<T>,
  isRight: (result: T) => boolean,
): Promise<T> {
  for (const [attempts, key] of keys) attempts.check(key);
  for (const [attempts, key] of keys) attempts.count(key);
  let right = true;
  try {
    const result = await guess();
    right = isRight(result);
    return result;
  } finally {
    // A failure of our own is nobody's guess either.
    if (right) for (const [attempts, key] of keys) attempts.forgive(key);
  }
}
