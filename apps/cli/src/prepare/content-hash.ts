import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';

const NOT_SOURCE = new Set(['node_modules', 'dist']);

/**
 * One hash over files and whole directories: equal for equal names and bytes. What does not exist
 * counts as absent; `node_modules`, `dist` and tests are left out.
 */
export async function contentHash(root: string, paths: readonly string[]): Promise<string> {
  const files: string[] = [];
  for (const path of paths) await collect(join(root, path), files);
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    const bytes = await readFile(file);
    hash.update(`${relative(root, file)}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

async function collect(path: string, files: string[]): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile()) files.push(path);
  if (!found?.isDirectory()) return;
  for (const entry of await readdir(path)) {
    if (!NOT_SOURCE.has(entry) && !entry.includes('.test.')) await collect(join(path, entry), files);
  }
}
