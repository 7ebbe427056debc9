import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SecretLocation } from '../config.ts';

const MIN_LENGTH = 32;

/**
 * Where the installation's secrets come from: the environment, a file, or a store of secrets elsewhere.
 * What is sealed in the database is sealed with the first; older ones only open.
 */
export interface SecretSource {
  /** For messages; holds no secret. */
  readonly name: string;
  /** Whether {@link read} may answer differently later. */
  readonly changes: boolean;
  /** Never empty. Throws an error whose message is for people when a secret is damaged or cannot be read. */
  read(): Promise<readonly string[]>;
  /** Replaces them: whole or not at all, for their owner alone, and on disk when it resolves. Absent where only an operator can. */
  write?(secrets: readonly string[]): Promise<void>;
}

export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

export function secretSource(location: SecretLocation): SecretSource {
  return location.kind === 'given' ? givenSource(location.secrets) : fileSource(location.path);
}

function givenSource(secrets: readonly string[]): SecretSource {
  return { name: 'WORKSPACE_TOKEN_SECRET', changes: false, read: async () => secrets };
}

/** A secret a line, the newest first; made at the first start. */
function fileSource(path: string): SecretSource {
  return {
    name: path,
    changes: true,

    async read() {
      let text = await readIfThere(path);
      if (text === undefined) {
        await mkdir(dirname(path), { recursive: true });
        await createOnce(path, `${newSecret()}\n`);
        text = await readFile(path, 'utf8');
      }
      const secrets = text
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line !== '');
      const damaged = secrets.length === 0 ? '' : secrets.find((secret) => secret.length < MIN_LENGTH);
      if (damaged !== undefined) {
        throw new Error(
          `The secret in ${path} is damaged: it has ${damaged.length} characters and needs ${MIN_LENGTH}. ` +
            'Restore the file from a backup; without it the sealed keys in the database cannot be read.',
        );
      }
      return secrets;
    },

    async write(secrets) {
      const draft = draftOf(path);
      try {
        await writeFile(draft, `${secrets.join('\n')}\n`, { mode: 0o600, flag: 'wx', flush: true });
        await rename(draft, path);
      } finally {
        await rm(draft, { force: true });
      }
      await syncDirectory(dirname(path));
    },
  };
}

/** The file appears whole or not at all, and the first of two makers wins. */
async function createOnce(path: string, text: string): Promise<void> {
  const draft = draftOf(path);
  await writeFile(draft, text, { mode: 0o600, flag: 'wx', flush: true });
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

function draftOf(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
}

/** A rename is lost with the power until its directory is on disk. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
