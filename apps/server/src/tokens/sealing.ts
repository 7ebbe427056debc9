import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

const VERSION = 'v1';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Keeps secrets in the database as bytes that only this installation's secret opens. */
export interface Sealing {
  /** AES-256-GCM. What was sealed for one purpose does not open for another. */
  seal(purpose: string, plaintext: string): string;
  /** Throws {@link SealBroken}. */
  open(purpose: string, sealed: string): string;
  /** 32 bytes for one use, the same on every server of the installation. */
  derive(use: string): Buffer;
}

/** Sealed with another secret, for another purpose, or damaged. */
export class SealBroken extends Error {
  constructor(purpose: string, options?: ErrorOptions) {
    super(`What was sealed for "${purpose}" does not open with this installation's secret.`, options);
    this.name = 'SealBroken';
  }
}

export function createSealing(secret: string): Sealing {
  const derive = (use: string): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', `clarateach ${use} ${VERSION}`, 32));
  const key = derive('sealing');

  return {
    derive,
    seal(purpose, plaintext) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(purpose));
      const sealed = Buffer.concat([
        iv,
        cipher.update(plaintext, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return `${VERSION}.${sealed.toString('base64url')}`;
    },
    open(purpose, sealed) {
      try {
        if (!sealed.startsWith(`${VERSION}.`)) throw new Error('An unknown form.');
        const bytes = Buffer.from(sealed.slice(VERSION.length + 1), 'base64url');
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(Buffer.from(purpose));
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
        const plain = [decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()];
        return Buffer.concat(plain).toString('utf8');
      } catch (cause) {
        throw new SealBroken(purpose, { cause });
      }
    },
  };
}
