import type { FileChange } from '@clarateach/contract/files';
import { ApiError, messageOf } from '../../api/api-error.ts';
import { isWithin, movedPath } from '../files/file-path.ts';
import type { SeatFiles, WriteCondition } from '../files/seat-files.ts';
import { classify } from './file-kind.ts';

interface Tab {
  readonly path: string;
}
/** A file in a tab. `text` is what the editor has, `savedText` what the seat had under `etag`. */
export interface TextFile extends Tab {
  readonly kind: 'text';
  readonly text: string;
  readonly savedText: string;
  readonly etag: string;
  readonly saving: boolean;
  /** `changed` or `deleted` in the seat since it was read, while there are edits here. */
  readonly onDisk: 'same' | 'changed' | 'deleted';
  /** A save was refused because the seat has another version: the person decides. */
  readonly conflict: boolean;
}
export type OpenFile =
  | TextFile
  | (Tab & { readonly kind: 'loading' })
  | (Tab & { readonly kind: 'binary'; readonly size: number })
  | (Tab & { readonly kind: 'image'; readonly bytes: Uint8Array<ArrayBuffer>; readonly mime: string })
  | (Tab & { readonly kind: 'large'; readonly size: number })
  | (Tab & { readonly kind: 'failed'; readonly message: string });

export interface OpenFilesState {
  readonly files: readonly OpenFile[];
  readonly active: string | undefined;
}

/** Beyond this an editor in a browser is no pleasure; the terminal's editors are. */
export const MAX_EDITOR_BYTES = 4 * 1024 * 1024;

export const isDirty = (file: OpenFile): boolean =>
  file.kind === 'text' && (file.text !== file.savedText || file.onDisk === 'deleted');

/** The editor's tabs and how each stands against the seat's file. */
export class OpenFiles {
  readonly #seat: SeatFiles;
  readonly #listeners = new Set<() => void>();
  #state: OpenFilesState = { files: [], active: undefined };

  constructor(seat: SeatFiles) {
    this.#seat = seat;
  }

  get state(): OpenFilesState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  find(path: string): OpenFile | undefined {
    return this.#state.files.find((file) => file.path === path);
  }

  async open(path: string, size?: number): Promise<void> {
    if (this.find(path)) {
      this.#set({ ...this.#state, active: path });
      return;
    }
    const first: OpenFile =
      size !== undefined && size > MAX_EDITOR_BYTES
        ? { kind: 'large', path, size }
        : { kind: 'loading', path };
    this.#set({ files: [...this.#state.files, first], active: path });
    if (first.kind === 'loading') await this.#load(path);
  }

  activate(path: string): void {
    if (this.find(path)) this.#set({ ...this.#state, active: path });
  }

  close(path: string): void {
    const { files, active } = this.#state;
    const index = files.findIndex((file) => file.path === path);
    if (index < 0) return;
    const rest = files.filter((file) => file.path !== path);
    const next = active === path ? (rest[index] ?? rest[index - 1])?.path : active;
    this.#set({ files: rest, active: next });
  }

  edit(path: string, text: string): void {
    const file = this.find(path);
    if (file?.kind === 'text' && file.text !== text) this.#replace({ ...file, text });
  }

  /** Saves under the condition that the seat still has the version that was read. Throws what is no conflict. */
  async save(path: string): Promise<void> {
    const file = this.find(path);
    if (file?.kind !== 'text') return;
    await this.#write(file, file.onDisk === 'deleted' ? 'create' : { ifMatch: file.etag });
  }

  /** Settles a conflict: what is here replaces what the seat has. */
  async overwrite(path: string): Promise<void> {
    const file = this.find(path);
    if (file?.kind === 'text') await this.#write(file, 'always');
  }

  /** Settles a conflict the other way: the edits here are dropped. */
  async reload(path: string): Promise<void> {
    await this.#load(path);
  }

  dismissConflict(path: string): void {
    const file = this.find(path);
    if (file?.kind === 'text') this.#replace({ ...file, conflict: false, onDisk: 'changed' });
  }

  /** The seat's present version, to compare with. */
  async diskText(path: string): Promise<string> {
    const { bytes } = await this.#seat.read(path);
    return new TextDecoder().decode(bytes);
  }

  moved(from: string, to: string): void {
    const { files, active } = this.#state;
    this.#set({
      files: files.map((file) => ({ ...file, path: movedPath(file.path, from, to) })),
      active: active === undefined ? undefined : movedPath(active, from, to),
    });
  }

  /** The file or a directory around it is gone: tabs without edits close, the others say so. */
  removed(path: string): void {
    for (const file of this.#state.files) {
      if (!isWithin(file.path, path)) continue;
      if (file.kind === 'text' && isDirty(file)) this.#replace({ ...file, onDisk: 'deleted' });
      else this.close(file.path);
    }
  }

  /** What happened in the seat: looks again at each tab that it may concern. */
  told(changes: readonly FileChange[]): void {
    for (const { path } of this.#state.files) {
      // An atomic write is told as deleted and created: asking the seat settles it.
      const concerned = changes.some(
        (change) =>
          change.kind === 'overflow' ||
          change.path === path ||
          (change.kind === 'deleted' && isWithin(path, change.path)),
      );
      if (concerned) void this.refresh(path);
    }
  }

  /** The seat may have another version now: takes it over where nothing was edited. */
  async refresh(path: string): Promise<void> {
    const before = this.find(path);
    if (before === undefined || before.kind === 'loading' || before.kind === 'large') return;
    if (before.kind === 'text' && before.saving) return;
    if (before.kind !== 'text') {
      await this.#load(path);
      return;
    }
    try {
      const { bytes, etag } = await this.#seat.read(path);
      const file = this.find(path);
      if (file?.kind !== 'text' || file.saving || file.etag === etag) return;
      const content = classify(path, bytes);
      if (isDirty(file)) this.#replace({ ...file, onDisk: 'changed' });
      else if (content.kind === 'text') this.#replace(freshFile(path, content.text, etag));
      else await this.#load(path);
    } catch (error) {
      if (error instanceof ApiError && error.code === 'not_found') this.removed(path);
      // Any other failure says nothing about the file; the next change or save does.
    }
  }

  async #load(path: string): Promise<void> {
    try {
      const { bytes, etag } = await this.#seat.read(path);
      if (!this.find(path)) return;
      const content = bytes.length > MAX_EDITOR_BYTES ? ({ kind: 'large' } as const) : classify(path, bytes);
      if (content.kind === 'text') this.#replace(freshFile(path, content.text, etag));
      else if (content.kind === 'image') this.#replace({ kind: 'image', path, bytes, mime: content.mime });
      else this.#replace({ kind: content.kind, path, size: bytes.length });
    } catch (error) {
      if (this.find(path)) this.#replace({ kind: 'failed', path, message: messageOf(error) });
    }
  }

  async #write(file: TextFile, condition: WriteCondition): Promise<void> {
    if (file.saving) return;
    const { path, text } = file;
    this.#replace({ ...file, saving: true, conflict: false });
    try {
      const etag = await this.#seat.write(path, text, condition);
      const now = this.find(path);
      if (now?.kind === 'text')
        this.#replace({ ...now, saving: false, savedText: text, etag, onDisk: 'same' });
    } catch (error) {
      const now = this.find(path);
      const code = error instanceof ApiError ? error.code : undefined;
      if (now?.kind === 'text') {
        const gone = code === 'not_found';
        const conflict = code === 'precondition_failed' || code === 'already_exists';
        this.#replace({ ...now, saving: false, conflict, onDisk: gone ? 'deleted' : now.onDisk });
        if (conflict) return;
        // Deleted meanwhile: saving means to bring it back.
        if (gone && condition !== 'create') {
          await this.save(path);
          return;
        }
      }
      throw error;
    }
  }

  #replace(file: OpenFile): void {
    const files = this.#state.files.map((old) => (old.path === file.path ? file : old));
    this.#set({ ...this.#state, files });
  }

  #set(state: OpenFilesState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

function freshFile(path: string, text: string, etag: string): TextFile {
  return { kind: 'text', path, text, savedText: text, etag, saving: false, onDisk: 'same', conflict: false };
}
