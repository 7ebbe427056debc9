import { useMemo } from 'react';
import { ApiError } from '../../api/api-error.ts';
import { toast, toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import type { FileUpload } from './dropped-files.ts';
import { joinPath, nameOf, parentOf } from './file-path.ts';

export interface FileActions {
  /** Returns whether it was made. */
  createFile(directory: string, name: string): Promise<boolean>;
  createDirectory(directory: string, name: string): Promise<boolean>;
  rename(path: string, name: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  upload(directory: string, uploads: readonly FileUpload[]): Promise<void>;
  download(path: string, kind: 'file' | 'directory'): Promise<void>;
}

function saveAs(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads the blob after the click returns.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** What a learner does to files, with what went wrong told in a toast. */
export function useFileActions(refresh: (directory: string) => Promise<void>): FileActions {
  const { files, openFiles } = useWorkspace();
  return useMemo(() => {
    const attempt = async (directory: string, work: () => Promise<unknown>): Promise<boolean> => {
      try {
        await work();
        return true;
      } catch (error) {
        const taken =
          error instanceof ApiError &&
          (error.code === 'precondition_failed' || error.code === 'already_exists');
        if (taken) toast('Something of that name is there already. Nothing was changed.', 'bad');
        else toastError(error);
        return false;
      } finally {
        await refresh(directory);
      }
    };
    /** Makes the folders of an uploaded one; those that exist are there already. */
    const makeParents = async (path: string, root: string, made: Set<string>): Promise<void> => {
      const parent = parentOf(path);
      if (parent === root || parent === '' || made.has(parent)) return;
      await makeParents(parent, root, made);
      await files.makeDirectory(parent).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.code === 'already_exists')) throw error;
      });
      made.add(parent);
    };
    return {
      async createFile(directory, name) {
        const path = joinPath(directory, name);
        const made = await attempt(directory, () => files.write(path, '', 'create'));
        if (made) void openFiles.open(path);
        return made;
      },
      createDirectory: (directory, name) =>
        attempt(directory, () => files.makeDirectory(joinPath(directory, name))),
      rename: (path, name) =>
        attempt(parentOf(path), async () => {
          const to = joinPath(parentOf(path), name);
          await files.move(path, to);
          openFiles.moved(path, to);
        }),
      async remove(path) {
        await attempt(parentOf(path), async () => {
          await files.remove(path);
          openFiles.removed(path);
        });
      },
      async upload(directory, uploads) {
        let done = 0;
        await attempt(directory, async () => {
          const made = new Set<string>();
          for (const { path, file } of uploads) {
            await makeParents(joinPath(directory, path), directory, made);
            await files.write(joinPath(directory, path), file, 'always');
            done += 1;
          }
        });
        if (done > 0) toast(done === 1 ? `Uploaded ${uploads[0]?.path}.` : `Uploaded ${done} files.`);
      },
      async download(path, kind) {
        try {
          const blob = await files.download(path, kind);
          const name = nameOf(path) || 'workspace';
          saveAs(blob, kind === 'file' ? name : `${name}.zip`);
        } catch (error) {
          toastError(error);
        }
      },
    };
  }, [files, openFiles, refresh]);
}
