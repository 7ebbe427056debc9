import type { FileChange } from '@clarateach/contract/files';
import { ApiError, messageOf } from '../../api/api-error.ts';
import { isWithin, movedPath } from '../files/file-path.ts';
import type { SeatFiles, WriteCondition } from '../files/seat-files.ts';
import type { OpenFile } from './open-file.ts';
import { conditionOf, contentOf, isDirty, MAX_EDITOR_BYTES } from './open-file.ts';

export interface OpenFilesState {
  readonly files: readonly OpenFile[];
  readonly active: string | undefined;
}

/** The write of a tab that is on its way, and the one that follows it. */
interface Writes {
  readonly current: Promise<void>;
  next: Promise<void> | undefined;
}

/** The editor's tabs and how each stands against the seat's file. */
export class OpenFiles {
  readonly #seat: SeatFiles;
  readonly #listeners = new Set<() => void>();
  readonly #writes = new Map<number, Writes>();
  #state: OpenFilesState = { files: [], active: undefined };
  #lastId = 0;

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
    const id = ++this.#lastId;
    const first: OpenFile =
      size !== undefined && size > MAX_EDITOR_BYTES
        ? { kind: 'large', id, path, size }
        : { kind: 'loading', id, path };
    this.#set({ files: [...this.#state.files, first], active: path });
    if (first.kind === 'loading') await this.#load(id);
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

  /**
   * Saves under the condition that the seat still has the version that was read. Asked for while a save is on
   * its way, it saves once more after that one. Throws what is no conflict.
   */
  async save(path: string): Promise<void> {
    const file = this.find(path);
    if (file?.kind !== 'text') return;
    const { id } = file;
    const writes = this.#writes.get(id);
    if (writes === undefined) await this.#write(id, conditionOf(file));
    else {
      // A save that fails has told so, and leaves the edits for the next one.
      writes.next ??= writes.current.then(
        () => this.#saveRest(id),
        () => undefined,
      );
      await writes.next;
    }
  }

  /** Settles a conflict: what is here replaces what the seat has. */
  async overwrite(path: string): Promise<void> {
    const file = this.find(path);
    if (file?.kind === 'text') await this.#write(file.id, 'always');
  }

  /** Drops the edits for what the seat has. Throws, with the edits as they are, when that cannot be read. */
  async reload(path: string): Promise<void> {
    const id = this.find(path)?.id;
    if (id === undefined) return;
    try {
      await this.#load(id);
    } catch (error) {
      const file = this.#tab(id);
      // Where nothing is there are no other edits to take over: those here are all that is left.
      if (file?.kind !== 'text' || !(error instanceof ApiError && error.code === 'not_found')) throw error;
      this.#replace({ ...file, conflict: false, onDisk: 'deleted' });
    }
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
    const { id } = before;
    try {
      if (before.kind !== 'text') {
        await this.#load(id);
        return;
      }
      const { bytes, etag } = await this.#seat.read(path);
      const file = this.#tab(id);
      if (file?.kind !== 'text' || file.saving || file.etag === etag) return;
      if (isDirty(file)) this.#replace({ ...file, onDisk: 'changed' });
      else this.#replace(contentOf(file, bytes, etag));
    } catch (error) {
      if (error instanceof ApiError && error.code === 'not_found') this.removed(path);
      // Any other failure says nothing about the file; the next change or save does.
    }
  }

  #tab(id: number): OpenFile | undefined {
    return this.#state.files.find((file) => file.id === id);
  }

  /** Takes over what the seat has. A tab that has nothing to show yet shows why; any other one stays, and it throws. */
  async #load(id: number): Promise<void> {
    const path = this.#tab(id)?.path;
    if (path === undefined) return;
    try {
      const { bytes, etag } = await this.#seat.read(path);
      const file = this.#tab(id);
      if (file) this.#replace(contentOf(file, bytes, etag));
    } catch (error) {
      const file = this.#tab(id);
      if (!file) return;
      if (file.path !== path) await this.#load(id);
      else if (file.kind === 'loading' || file.kind === 'failed')
        this.#replace({ kind: 'failed', id, path, message: messageOf(error) });
      else throw error;
    }
  }

  /** What was typed while the last save was on its way. */
  async #saveRest(id: number): Promise<void> {
    const file = this.#tab(id);
    if (file?.kind === 'text' && isDirty(file) && !file.conflict) await this.#write(id, conditionOf(file));
  }

  /** One write of a file at a time. */
  async #write(id: number, condition: WriteCondition): Promise<void> {
    if (this.#writes.has(id)) return;
    const current = this.#send(id, condition).finally(() => this.#writes.delete(id));
    this.#writes.set(id, { current, next: undefined });
    await current;
  }

  async #send(id: number, condition: WriteCondition): Promise<void> {
    const file = this.#tab(id);
    if (file?.kind !== 'text') return;
    const { path, text } = file;
    this.#replace({ ...file, saving: true, conflict: false });
    try {
      const etag = await this.#seat.write(path, text, condition);
      const now = this.#tab(id);
      if (now?.kind !== 'text') return;
      this.#replace({ ...now, saving: false, savedText: text, etag, onDisk: 'same' });
      // Renamed meanwhile, and nothing says which came first: the file of the new name gets the text as well.
      if (now.path !== path && typeof condition === 'string') await this.#send(id, 'always');
    } catch (error) {
      const now = this.#tab(id);
      if (now?.kind !== 'text') throw error;
      const code = error instanceof ApiError ? error.code : undefined;
      const gone = code === 'not_found';
      const conflict = code === 'precondition_failed' || code === 'already_exists';
      if (now.path !== path && (gone || conflict)) {
        // It was another name's turn: under the new one it is the version that was read.
        await this.#send(id, condition);
        return;
      }
      this.#replace({ ...now, saving: false, conflict, onDisk: gone ? 'deleted' : now.onDisk });
      if (conflict) return;
      // Deleted meanwhile: saving means to bring it back.
      if (gone && condition !== 'create') await this.#send(id, 'create');
      else throw error;
    }
  }

  #replace(file: OpenFile): void {
    const files = this.#state.files.map((old) => (old.id === file.id ? file : old));
    this.#set({ ...this.#state, files });
  }

  #set(state: OpenFilesState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
