import { createHash } from 'node:crypto';
import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

const PREFIX = '.program-';

/** Where the parts of a seat's own program come from; absolute directories. */
export interface ProgramSources {
  /** With `entrypoint.sh` and `skel`. */
  readonly program: string;
  /** With `server.cjs`. */
  readonly bundle: string;
  readonly tools: string;
}

/**
 * A copy of the seat's program below `root`, named by its content: `entrypoint.sh`, `skel`,
 * `workspace` and a link to the tools. A new build of the server never changes what a seat that
 * runs was started with, so its workspace server can still be started again.
 */
export async function installProgram(root: string, from: ProgramSources): Promise<string> {
  const hash = createHash('sha256').update(from.tools);
  await addContent(hash, join(from.program, 'entrypoint.sh'), 'entrypoint.sh');
  await addContent(hash, join(from.program, 'skel'), 'skel');
  await addContent(hash, from.bundle, 'workspace');
  const directory = join(root, `${PREFIX}${hash.digest('hex').slice(0, 12)}`);

  const temporary = await mkdtemp(join(root, `${PREFIX}new-`));
  try {
    const entrypoint = join(temporary, 'entrypoint.sh');
    await cp(join(from.program, 'entrypoint.sh'), entrypoint);
    await chmod(entrypoint, 0o755);
    for (const [source, name] of [
      [join(from.program, 'skel'), 'skel'],
      [from.bundle, 'workspace'],
    ] as const)
      await cp(source, join(temporary, name), { recursive: true });
    await makeReadable(temporary);
    await symlink(from.tools, join(temporary, 'tools'));
    await rename(temporary, directory);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    // Already installed by an earlier start.
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  }
  return directory;
}

/** Removes the programs that nobody uses any more. */
export async function removeOldPrograms(root: string, inUse: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(root)) {
    const directory = join(root, name);
    if (name.startsWith(PREFIX) && !inUse.has(directory))
      await rm(directory, { recursive: true, force: true });
  }
}

async function addContent(hash: ReturnType<typeof createHash>, path: string, name: string): Promise<void> {
  const entries = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTDIR') throw error;
  });
  hash.update(`${name}\0${entries?.length ?? ''}\0`);
  if (!entries) hash.update(await readFile(path));
  for (const entry of entries?.sort() ?? []) await addContent(hash, join(path, entry), join(name, entry));
}

/** Seats run under users of their own; a checkout made under a strict umask is for its owner alone. */
async function makeReadable(directory: string): Promise<void> {
  await chmod(directory, 0o755);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await makeReadable(path);
    else if (entry.isFile()) await chmod(path, entry.name === 'entrypoint.sh' ? 0o755 : 0o644);
  }
}
