import { useMemo, useSyncExternalStore } from 'react';
import { toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import { nameOf } from './file-path.ts';
import type { SeatFiles } from './seat-files.ts';

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

/** The download of one seat, which goes on while the pane that began it is away. */
class SeatDownload {
  readonly #files: SeatFiles;
  readonly #listeners = new Set<() => void>();
  #running: Download['running'];
  #abort: AbortController | undefined;

  constructor(files: SeatFiles) {
    this.#files = files;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly running = (): Download['running'] => this.#running;

  readonly cancel = (): void => this.#abort?.abort();

  readonly start = async (path: string, kind: 'file' | 'directory'): Promise<void> => {
    if (this.#abort) return;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const name = (nameOf(path) || 'workspace') + (kind === 'file' ? '' : '.zip');
    this.#tell({ name, bytes: 0 });
    try {
      const onBytes = (bytes: number) => this.#tell({ name, bytes });
      saveAs(await this.#files.download(path, kind, { signal, onBytes }), name);
    } catch (error) {
      if (!signal.aborted) toastError(error);
    } finally {
      this.#abort = undefined;
      this.#tell(undefined);
    }
  };

  #tell(running: Download['running']): void {
    this.#running = running;
    for (const listener of this.#listeners) listener();
  }
}

const downloads = new WeakMap<SeatFiles, SeatDownload>();

function downloadOf(files: SeatFiles): SeatDownload {
  const known = downloads.get(files) ?? new SeatDownload(files);
  downloads.set(files, known);
  return known;
}

export function useDownload(): Download {
  const { files } = useWorkspace();
  const download = useMemo(() => downloadOf(files), [files]);
  const running = useSyncExternalStore(download.subscribe, download.running);
  return { running, start: (path, kind) => void download.start(path, kind), cancel: download.cancel };
}
