import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SecretSource } from '../config.ts';

const MIN_LENGTH = 32;

/** The secret that everything else is sealed with; a file is made at the first start. */
export async function installationSecret(source: SecretSource): Promise<string> {
  if (source.kind === 'given') return source.secret;
  const { path } = source;
  let text = await readIfThere(path);
  if (text === undefined) {
    await mkdir(dirname(path), { recursive: true });
    await createOnce(path, `${randomBytes(32).toString('base64url')}\n`);
    text = await readFile(path, 'utf8');
  }
  const secret = text.trim();
  if (secret.length < MIN_LENGTH) {
    throw new Error(
      `The secret in ${path} is damaged: it has ${secret.length} characters and needs ${MIN_LENGTH}. ` +
        'Restore the file from a backup; without it the sealed keys in the database cannot be read.',
    );
  }
  return secret;
}

/** The file appears whole or not at all, and the first of two makers wins. */
async function createOnce(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, text, { mode: 0o600, flag: 'wx', flush: true });
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { force: true });
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
