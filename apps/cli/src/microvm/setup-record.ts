import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What `microvm setup` has changed on this machine beside its own files, for `--undo` to take back. */
export interface SetupRecord {
  /** System packages that it installed. */
  readonly packages: readonly string[];
  /** What `net.ipv4.ip_forward` was before. */
  readonly ipForward?: '0';
}

const fileOf = (imagesDirectory: string) => join(imagesDirectory, 'setup.json');

export async function readSetupRecord(imagesDirectory: string): Promise<SetupRecord> {
  try {
    return JSON.parse(await readFile(fileOf(imagesDirectory), 'utf8')) as SetupRecord;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { packages: [] };
    throw error;
  }
}

/** Written before the change that it tells of, so that a change is never forgotten. */
export async function writeSetupRecord(imagesDirectory: string, record: SetupRecord): Promise<void> {
  await mkdir(imagesDirectory, { recursive: true });
  const next = `${fileOf(imagesDirectory)}.new`;
  await writeFile(next, `${JSON.stringify(record, null, 2)}\n`);
  await rename(next, fileOf(imagesDirectory));
}

export async function removeSetupRecord(imagesDirectory: string): Promise<void> {
  await rm(fileOf(imagesDirectory), { force: true });
}
