import { createHash } from 'node:crypto';
import { normalizeCode } from '@clarateach/contract/codes';
import { PublicError } from '@clarateach/contract/errors';
import { addressKey, createAttempts } from '../attempts.ts';

/** Wrong codes that one address may try at once, and then in a minute. */
export const GUESSES = { burst: 30, perMinute: 30 } as const;
/** What an address may still ask while it is slowed: more than a class comes in with, too few to guess by. */
export const WHILE_SLOWED = { burst: 120, perMinute: 600 } as const;
/** A code that was right from an address counts as known there for so long. */
const KNOWN_MS = 12 * 60 * 60_000;
const MAX_KNOWN = 20_000;

/**
 * Slows whoever guesses codes, and not the class that sits behind the same address. Only wrong codes
 * count. While an address is slowed, it is refused unless it shows
 * - a join code that was right from there before: guessing finds nothing but what the room was told, or
 * - more than a join code: an access code (28^10), or a join code with the return code of a seat (28^14).
 * Refusals are all alike, and their number is bounded too, so neither way is one to guess by.
 */
export interface CodeGuesses {
  /** Runs `work` for somebody who typed `code`. Throws `too_many_attempts`. */
  guard<T>(
    attempt: {
      readonly address: string;
      readonly code: string;
      /** False for who also claims to have a seat: a known join code must not help to guess return codes. */
      readonly newcomer?: boolean;
      /** Whether the attempt shows more than a join code; asked only while the address is slowed. */
      readonly proves?: () => Promise<boolean>;
      readonly isGuess?: (error: PublicError) => boolean;
    },
    work: () => Promise<T>,
  ): Promise<T>;
  /** A code that is right, from the address of somebody who is entitled to know it. */
  know(address: string, code: string): void;
}

export function createCodeGuesses({ now }: { readonly now: () => number }): CodeGuesses {
  const wrong = createAttempts({ ...GUESSES, now });
  const whileSlowed = createAttempts({ ...WHILE_SLOWED, now });
  const known = new Map<string, number>();

  const nameOf = (key: string, code: string) =>
    createHash('sha256')
      .update(`${key} ${normalizeCode(code)}`)
      .digest('base64url');
  const isKnown = (key: string, code: string) => {
    const at = known.get(nameOf(key, code));
    return at !== undefined && now() - at < KNOWN_MS;
  };
  const know = (key: string, code: string) => {
    const name = nameOf(key, code);
    // The newest go to the end, so that the oldest are the first to be forgotten.
    known.delete(name);
    known.set(name, now());
    if (known.size <= MAX_KNOWN) return;
    const oldest = known.keys().next().value;
    if (oldest !== undefined) known.delete(oldest);
  };

  const admit = async (key: string, shown: () => boolean | Promise<boolean>) => {
    try {
      wrong.check(key);
    } catch (refusal) {
      whileSlowed.check(key);
      whileSlowed.count(key);
      if (!(await shown())) throw refusal;
    }
  };

  return {
    async guard({ address, code, newcomer = true, proves, isGuess = isUnknownCode }, work) {
      const key = addressKey(address);
      await admit(key, () => (newcomer && isKnown(key, code)) || (proves?.() ?? false));
      try {
        const result = await work();
        know(key, code);
        return result;
      } catch (error) {
        if (error instanceof PublicError && isGuess(error)) wrong.count(key);
        throw error;
      }
    },
    know: (address, code) => know(addressKey(address), code),
  };
}

function isUnknownCode({ code }: PublicError): boolean {
  return code === 'unknown_code';
}
