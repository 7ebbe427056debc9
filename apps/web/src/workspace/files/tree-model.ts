import type { FileChange, FileEntry } from '@clarateach/contract/files';
import { isWithin, joinPath, parentOf } from './file-path.ts';

/** The explorer's tree: what is known of each directory, and which are unfolded. */
export interface Tree {
  /** By path; a directory that was never listed is not in it. */
  readonly listings: ReadonlyMap<string, readonly FileEntry[]>;
  readonly expanded: ReadonlySet<string>;
}

export interface TreeRow {
  readonly path: string;
  readonly name: string;
  readonly type: FileEntry['type'];
  readonly size: number;
  readonly depth: number;
  readonly expanded: boolean;
  /** Unfolded, and its listing is still on its way. */
  readonly loading: boolean;
  /** Place among its siblings, from 1, and their number: what a screen reader tells. */
  readonly position: number;
  readonly siblings: number;
}

export const emptyTree: Tree = { listings: new Map(), expanded: new Set(['']) };

/** A seat's dotfiles and caches, beside the learner's work: within reach of the terminal, and out of the way here. */
const HOME = '.home';

const byName = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** Directories first, then by name as people count: `2.txt` before `10.txt`. */
function sorted(entries: readonly FileEntry[]): FileEntry[] {
  const rank = ({ type }: FileEntry) => (type === 'directory' ? 0 : 1);
  return [...entries].sort((a, b) => rank(a) - rank(b) || byName.compare(a.name, b.name));
}

export function listed(tree: Tree, directory: string, entries: readonly FileEntry[]): Tree {
  const shown = directory === '' ? entries.filter(({ name }) => name !== HOME) : entries;
  const listings = new Map(tree.listings).set(directory, sorted(shown));
  // Listings below directories that are gone would come back to life with a new one of that name.
  const directories = new Set(shown.filter(({ type }) => type === 'directory').map(({ name }) => name));
  const expanded = new Set(tree.expanded);
  const prefix = directory === '' ? '' : `${directory}/`;
  for (const path of new Set([...listings.keys(), ...expanded])) {
    if (path === directory || path === '' || !path.startsWith(prefix)) continue;
    const child = path.slice(prefix.length).split('/', 1)[0] ?? '';
    if (directories.has(child)) continue;
    listings.delete(path);
    expanded.delete(path);
  }
  return { listings, expanded };
}

export function unlisted(tree: Tree, directory: string): Tree {
  const listings = new Map(tree.listings);
  const expanded = new Set(tree.expanded);
  for (const path of listings.keys()) if (path !== '' && isWithin(path, directory)) listings.delete(path);
  for (const path of expanded) if (path !== '' && isWithin(path, directory)) expanded.delete(path);
  return { listings, expanded };
}

export function unfolded(tree: Tree, directory: string): Tree {
  const expanded = new Set(tree.expanded);
  for (let path = directory; path !== ''; path = parentOf(path)) expanded.add(path);
  return { ...tree, expanded };
}

export function folded(tree: Tree, directory: string): Tree {
  const expanded = new Set(tree.expanded);
  expanded.delete(directory);
  return { ...tree, expanded };
}

export function allFolded(tree: Tree): Tree {
  return { ...tree, expanded: new Set(['']) };
}

/** The rows as they stand on the screen, from top to bottom. */
export function visibleRows(tree: Tree): TreeRow[] {
  const rows: TreeRow[] = [];
  const walk = (directory: string, depth: number): void => {
    const entries = tree.listings.get(directory) ?? [];
    entries.forEach(({ name, type, size }, index) => {
      const path = joinPath(directory, name);
      const expanded = type === 'directory' && tree.expanded.has(path);
      const loading = expanded && !tree.listings.has(path);
      rows.push({
        path,
        name,
        type,
        size,
        depth,
        expanded,
        loading,
        position: index + 1,
        siblings: entries.length,
      });
      if (expanded) walk(path, depth + 1);
    });
  };
  walk('', 0);
  return rows;
}

/** Which known directories must be listed again after these changes. */
export function staleDirectories(tree: Tree, changes: readonly FileChange[]): string[] {
  if (changes.some(({ kind }) => kind === 'overflow'))
    return ['', ...[...tree.listings.keys()].filter(Boolean)];
  const stale = new Set<string>();
  for (const { path, kind } of changes) {
    // A changed content leaves the tree as it is.
    if (kind === 'modified') continue;
    const directory = parentOf(path);
    if (tree.listings.has(directory)) stale.add(directory);
    if (kind === 'created' && tree.listings.has(path)) stale.add(path);
  }
  return [...stale];
}
