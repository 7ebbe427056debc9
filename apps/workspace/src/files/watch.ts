import { type FSWatcher, lstatSync, readdirSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { FileChange } from '@clarateach/contract/files';
import { isTemporary } from './entries.ts';

/** Changes are told this long after the first of them, together and each once. */
const GATHER_MS = 50;
/** More changes than this at once are told as one `overflow`. */
const MAX_CHANGES = 500;
/** Each directory takes a watch of the kernel, of which a user has few. */
const MAX_DIRECTORIES = 4_096;
/** Watched themselves, not what is in them: package managers and git write thousands of files there. */
const SHALLOW = new Set(['node_modules', '.git']);

type Kind = FileChange['kind'];
interface Watched {
  readonly watcher: FSWatcher;
  readonly inode: number;
  /** Names that are known, to tell what is new from what is modified. */
  readonly names: Set<string>;
}

/** Watches a directory and all below it, while at least one listener is there. */
export class TreeWatch {
  readonly #root: string;
  readonly #listeners = new Set<(change: FileChange) => void>();
  readonly #directories = new Map<string, Watched>();
  readonly #pending = new Map<string, Kind>();
  #timer: NodeJS.Timeout | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  subscribe(listener: (change: FileChange) => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#add('', false);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#end();
    };
  }

  #end(): void {
    for (const { watcher } of this.#directories.values()) watcher.close();
    this.#directories.clear();
    this.#pending.clear();
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** `tell`: what is found in it is news, as in a directory that was just made. */
  #add(path: string, tell: boolean): void {
    if (this.#directories.has(path)) return;
    if (this.#directories.size >= MAX_DIRECTORIES) {
      this.#note('', 'overflow');
      return;
    }
    const absolute = join(this.#root, path);
    try {
      const watcher = watch(absolute, (_event, name) => {
        if (name !== null) this.#look(path, name);
      });
      watcher.on('error', () => this.#drop(path));
      this.#directories.set(path, { watcher, inode: statSync(absolute).ino, names: new Set() });
    } catch {
      // Removed already, or the kernel has no watch left: the rest is still watched.
      this.#note('', 'overflow');
      return;
    }
    const names = this.#directories.get(path)?.names;
    for (const entry of readDirectory(absolute)) {
      if (isTemporary(entry.name)) continue;
      names?.add(entry.name);
      const below = path === '' ? entry.name : `${path}/${entry.name}`;
      if (tell) this.#note(below, 'created');
      if (entry.isDirectory() && !this.#isShallow(path)) this.#add(below, tell);
    }
  }

  #isShallow(path: string): boolean {
    return SHALLOW.has(path.slice(path.lastIndexOf('/') + 1));
  }

  #drop(path: string): void {
    for (const [each, { watcher }] of this.#directories) {
      if (each !== path && !each.startsWith(`${path}/`)) continue;
      watcher.close();
      this.#directories.delete(each);
    }
  }

  #look(directory: string, name: string): void {
    const watched = this.#directories.get(directory);
    if (watched === undefined || isTemporary(name)) return;
    const path = directory === '' ? name : `${directory}/${name}`;
    const stat = statOf(join(this.#root, path));
    const isNew = !watched.names.has(name);
    if (stat === undefined) {
      this.#drop(path);
      if (watched.names.delete(name)) this.#note(path, 'deleted');
      return;
    }
    watched.names.add(name);
    this.#note(path, isNew ? 'created' : 'modified');
    const below = this.#directories.get(path);
    if (!stat.isDirectory()) {
      if (below !== undefined) this.#drop(path);
      return;
    }
    // Another directory under an old name: the watch is still on the one that is gone.
    if (below !== undefined && below.inode !== stat.ino) this.#drop(path);
    if (!this.#isShallow(directory)) this.#add(path, true);
  }

  #note(path: string, kind: Kind): void {
    if (this.#pending.has('')) return;
    if (kind === 'overflow' || this.#pending.size >= MAX_CHANGES) {
      this.#pending.clear();
      this.#pending.set('', 'overflow');
    } else {
      const before = this.#pending.get(path);
      if (before === 'created' && kind === 'deleted') this.#pending.delete(path);
      else if (before === 'deleted' && kind === 'created') this.#pending.set(path, 'modified');
      else if (before !== 'created' || kind === 'deleted') this.#pending.set(path, kind);
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const changes = [...this.#pending];
      this.#pending.clear();
      for (const [changed, what] of changes) {
        for (const listener of this.#listeners) listener({ type: 'change', path: changed, kind: what });
      }
    }, GATHER_MS);
  }
}

/** Undefined for what is not there, also because a file stands where its directory was. */
function statOf(path: string) {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function readDirectory(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}
