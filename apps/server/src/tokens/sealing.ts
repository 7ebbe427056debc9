import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Sealed by a version that knew one key only. */
const UNNAMED = 'v1.';
/** `v2.<key id>.<bytes>` */
const NAMED = 'v2.';
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_ID_BYTES = 6;

/**
 * Keeps secrets in the database as bytes that only this installation's secrets open: AES-256-GCM. Each
 * sealed text names its key, so that several can be in use while they are rotated.
 */
export interface Sealing {
  /** With the newest secret. What was sealed for one purpose does not open for another. */
  seal(purpose: string, plaintext: string): string;
  /** With whichever secret it was sealed with. Throws {@link SealBroken}. */
  open(purpose: string, sealed: string): string;
  /** The same secret under the newest key; unchanged when it is so already. Throws {@link SealBroken}. */
  reseal(purpose: string, sealed: string): string;
  /** 32 bytes for one use, from the newest secret: the same on every server, another after a rotation. */
  derive(use: string): Buffer;
}

/** Sealed with another secret, for another purpose, or damaged. */
export class SealBroken extends Error {
  constructor(purpose: string, options?: ErrorOptions) {
    super(`What was sealed for "${purpose}" does not open with this installation's secret.`, options);
    this.name = 'SealBroken';
  }
}

interface Key {
  readonly id: string;
  readonly bytes: Buffer;
}

/** `secrets`: the newest first; as a function where they change while the server runs. */
export function createSealing(secrets: string | (() => readonly string[])): Sealing {
  const current = typeof secrets === 'string' ? () => [secrets] : secrets;
  const derived = new Map<string, Key>();

  const keyOf = (secret: string): Key => {
    const known = derived.get(secret);
    if (known) return known;
    const key: Key = {
      id: derive(secret, 'key id').subarray(0, KEY_ID_BYTES).toString('base64url'),
      bytes: derive(secret, 'sealing'),
    };
    derived.set(secret, key);
    return key;
  };
  const newest = (): Key => {
    const [secret] = current();
    if (secret === undefined) throw new Error('There is no secret to seal with.');
    return keyOf(secret);
  };

  /** The keys that may have sealed it, and its bytes. */
  const read = (sealed: string): { keys: readonly Key[]; bytes: Buffer } => {
    const keys = current().map(keyOf);
    if (sealed.startsWith(UNNAMED)) return { keys, bytes: decode(sealed.slice(UNNAMED.length)) };
    const [, id, text] = /^v2\.([\w-]+)\.([\w-]+)$/.exec(sealed) ?? [];
    return { keys: keys.filter((key) => key.id === id), bytes: decode(text ?? '') };
  };

  const seal = (purpose: string, plaintext: string): string => {
    const { id, bytes } = newest();
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', bytes, iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(purpose));
    const sealed = [iv, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()];
    return `${NAMED}${id}.${Buffer.concat(sealed).toString('base64url')}`;
  };

  const open = (purpose: string, sealed: string): string => {
    const { keys, bytes } = read(sealed);
    let cause: unknown;
    for (const key of keys) {
      try {
        return decipher(key, purpose, bytes);
      } catch (error) {
        cause = error;
      }
    }
    throw new SealBroken(purpose, { cause });
  };

  return {
    seal,
    open,
    reseal: (purpose, sealed) =>
      sealed.startsWith(`${NAMED}${newest().id}.`) ? sealed : seal(purpose, open(purpose, sealed)),
    derive: (use) => derive(current()[0] ?? '', use),
  };
}

function derive(secret: string, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `clarateach ${use} v1`, 32));
}

function decode(text: string): Buffer {
  return Buffer.from(text, 'base64url');
}

function decipher(key: Key, purpose: string, bytes: Buffer): string {
  const opened = createDecipheriv('aes-256-gcm', key.bytes, bytes.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  opened.setAAD(Buffer.from(purpose));
  opened.setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([opened.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), opened.final()]).toString(
    'utf8',
  );
}
