/**
 * Letters and digits that cannot be mistaken for one another, in upper case: base32 in both
 * RFC 4648's and Crockford's reading, so no I, L, O, U, 0, 1, 8 or 9.
 */
export const CODE_ALPHABET = 'ABCDEFGHJKMNPQRSTVWXYZ234567';

/** A code as people type it: letter case, spaces and dashes do not matter. */
export function normalizeCode(typed: string): string {
  return typed.replace(/[\s\-‐-―]+/g, '').toUpperCase();
}

/** Uniformly random characters of {@link CODE_ALPHABET}; Web Crypto, so it runs in browsers too. */
export function randomCode(length: number): string {
  // 252 is the largest multiple of 28 below 256: bytes above it would favour the first letters.
  const limit = 256 - (256 % CODE_ALPHABET.length);
  let code = '';
  while (code.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length * 2))) {
      if (byte < limit && code.length < length) code += CODE_ALPHABET[byte % CODE_ALPHABET.length];
    }
  }
  return code;
}

/** An access code as it is shown: in groups of five, `ABCDE-FGHJK`. */
export function spacedAccessCode(code: string): string {
  return code.replace(/(.{5})(?=.)/g, '$1-');
}
