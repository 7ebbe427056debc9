import { useMemo } from 'react';
import { ApiError } from '../../api/api-error.ts';
import { toast, toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import type { FileUpload } from './dropped-files.ts';
import { joinPath, nameOf, parentOf } from './file-path.ts';
import type { TakenChoice } from './upload.ts';
import { uploadFiles } from './upload.ts';

export interface FileActions {
  /** Returns whether it was made. */
  createFile(directory: string, name: string): Promise<boolean>;
  createDirectory(directory: string, name: string): Promise<boolean>;
  rename(path: string, name: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  upload(directory: string, uploads: readonly FileUpload[]): Promise<void>;
}

/** What a learner does to files, with what went wrong told in a toast. */
export function useFileActions(
  refresh: (directory: string) => Promise<void>,
  ask: (taken: readonly string[]) => Promise<TakenChoice>,
): FileActions {
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
        const written: string[] = [];
        await attempt(directory, () =>
          uploadFiles({ files, ask, onWritten: (path) => written.push(path) }, directory, uploads),
        );
        const [first] = written;
        if (first === undefined) return;
        toast(written.length === 1 ? `Uploaded ${nameOf(first)}.` : `Uploaded ${written.length} files.`);
      },
    };
  }, [files, openFiles, refresh, ask]);
}
