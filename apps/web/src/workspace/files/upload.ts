import type { FileEntry } from '@clarateach/contract/files';
import { ApiError } from '../../api/api-error.ts';
import type { FileUpload } from './dropped-files.ts';
import { joinPath, nameOf, parentOf } from './file-path.ts';
import type { SeatFiles } from './seat-files.ts';

type EntryType = FileEntry['type'];

/** What becomes of files whose names are taken; `cancel` leaves out all that is not in the seat yet. */
export type TakenChoice = 'replace' | 'skip' | 'both' | 'cancel';

interface UploadParts {
  readonly files: SeatFiles;
  /** Paths below the directory that something in the seat has already. */
  readonly ask: (taken: readonly string[]) => Promise<TakenChoice>;
  /** A file is in the seat now, by the path it got. */
  readonly onWritten: (path: string) => void;
}

const isTaken = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 'precondition_failed' || error.code === 'already_exists');

/**
 * Writes files into a directory and replaces nothing that the person was not asked about: names that are
 * taken are asked for before anything is written, and again for those that were taken meanwhile.
 */
export async function uploadFiles(
  { files, ask, onWritten }: UploadParts,
  directory: string,
  uploads: readonly FileUpload[],
): Promise<void> {
  const made = new Set<string>();
  let open = [...uploads];
  let taken: ReadonlyMap<string, EntryType> = await takenOf(files, directory, uploads);
  while (open.length > 0) {
    const choice = taken.size === 0 ? 'skip' : await ask([...taken.keys()]);
    if (choice === 'cancel') return;
    const late = new Map<string, EntryType>();
    for (const { path, file } of open) {
      if (taken.has(path) && choice === 'skip') continue;
      const target = joinPath(directory, path);
      await makeParents(files, target, directory, made);
      try {
        // What is a folder stays, whatever was chosen.
        const beside = taken.get(path) === 'directory' || (taken.has(path) && choice === 'both');
        if (beside) onWritten(await writeBeside(files, target, file));
        else {
          await files.write(target, file, taken.has(path) ? 'always' : 'create');
          onWritten(target);
        }
      } catch (error) {
        if (!isTaken(error)) throw error;
        late.set(path, 'file');
      }
    }
    open = open.filter(({ path }) => late.has(path));
    taken = late;
  }
}

/** The uploads whose names are taken, and by what; a directory that is not there has none. */
async function takenOf(
  files: SeatFiles,
  directory: string,
  uploads: readonly FileUpload[],
): Promise<Map<string, EntryType>> {
  const names = new Map<string, ReadonlyMap<string, EntryType>>();
  const taken = new Map<string, EntryType>();
  for (const { path } of uploads) {
    const parent = parentOf(joinPath(directory, path));
    let known = names.get(parent);
    if (known === undefined) {
      known = await namesIn(files, parent);
      names.set(parent, known);
    }
    const type = known.get(nameOf(path));
    if (type !== undefined) taken.set(path, type);
  }
  return taken;
}

async function namesIn(files: SeatFiles, directory: string): Promise<ReadonlyMap<string, EntryType>> {
  try {
    return new Map((await files.list(directory)).map(({ name, type }) => [name, type]));
  } catch (error) {
    if (error instanceof ApiError && error.code === 'not_found') return new Map();
    throw error;
  }
}

/** `main.py` becomes `main (2).py`, or the first number that is free. */
async function writeBeside(files: SeatFiles, target: string, file: File): Promise<string> {
  const [, stem = '', extension = ''] = /^(.+?)((?:\.[^./]+)?)$/.exec(nameOf(target)) ?? [];
  for (let number = 2; ; number += 1) {
    const beside = joinPath(parentOf(target), `${stem} (${number})${extension}`);
    try {
      await files.write(beside, file, 'create');
      return beside;
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
  }
}

/** Makes the folders of an uploaded one; those that exist are there already. */
async function makeParents(files: SeatFiles, path: string, root: string, made: Set<string>): Promise<void> {
  const parent = parentOf(path);
  if (parent === root || parent === '' || made.has(parent)) return;
  await makeParents(files, parent, root, made);
  await files.makeDirectory(parent).catch((error: unknown) => {
    if (!isTaken(error)) throw error;
  });
  made.add(parent);
}
