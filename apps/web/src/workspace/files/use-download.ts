import { useCallback, useRef, useState } from 'react';
import { toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import { nameOf } from './file-path.ts';

export interface Download {
  /** What is on its way, with the bytes that have come; undefined when nothing is. */
  readonly running: { readonly name: string; readonly bytes: number } | undefined;
  /** Gives a file, or a directory as a zip, to the browser. One at a time: while one runs, nothing is begun. */
  readonly start: (path: string, kind: 'file' | 'directory') => void;
  readonly cancel: () => void;
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

export function useDownload(): Download {
  const { files } = useWorkspace();
  const [running, setRunning] = useState<Download['running']>();
  const current = useRef<AbortController>(undefined);
  const cancel = useCallback(() => current.current?.abort(), []);

  const start = useCallback(
    async (path: string, kind: 'file' | 'directory') => {
      if (current.current) return;
      const abort = new AbortController();
      current.current = abort;
      const name = (nameOf(path) || 'workspace') + (kind === 'file' ? '' : '.zip');
      setRunning({ name, bytes: 0 });
      try {
        const onBytes = (bytes: number) => setRunning({ name, bytes });
        saveAs(await files.download(path, kind, { signal: abort.signal, onBytes }), name);
      } catch (error) {
        if (!abort.signal.aborted) toastError(error);
      } finally {
        current.current = undefined;
        setRunning(undefined);
      }
    },
    [files],
  );

  return { running, start: (path, kind) => void start(path, kind), cancel };
}
