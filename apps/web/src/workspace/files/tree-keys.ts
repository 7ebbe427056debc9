import type { KeyboardEvent } from 'react';
import { parentOf } from './file-path.ts';
import type { TreeRow } from './tree-model.ts';

interface TreeKeys {
  readonly rows: readonly TreeRow[];
  /** The row with the focus. */
  readonly row: TreeRow | undefined;
  readonly focusRow: (path: string | undefined) => void;
  readonly activate: (row: TreeRow) => void;
  readonly fold: (directory: string) => void;
  readonly unfold: (directory: string) => void;
  readonly rename: (row: TreeRow) => void;
  readonly remove: (row: TreeRow) => void;
}

/** The keys of a tree view as WAI-ARIA describes them, with F2 and Delete. */
export function treeKey(keys: TreeKeys): (event: KeyboardEvent) => void {
  const { rows, row, focusRow, activate, fold, unfold, rename, remove } = keys;
  return (event) => {
    if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
    const index = rows.findIndex(({ path }) => path === row?.path);
    const handle = (): boolean => {
      switch (event.key) {
        case 'ArrowDown':
          focusRow(rows[Math.min(rows.length - 1, index + 1)]?.path);
          return true;
        case 'ArrowUp':
          focusRow(rows[Math.max(0, index - 1)]?.path);
          return true;
        case 'Home':
          focusRow(rows[0]?.path);
          return true;
        case 'End':
          focusRow(rows.at(-1)?.path);
          return true;
        default:
          return row !== undefined && handleRow(row);
      }
    };
    const handleRow = (current: TreeRow): boolean => {
      const directory = current.type === 'directory';
      switch (event.key) {
        case 'ArrowRight':
          if (directory && !current.expanded) unfold(current.path);
          else if (directory) focusRow(rows[index + 1]?.path);
          return true;
        case 'ArrowLeft':
          if (directory && current.expanded) fold(current.path);
          else if (current.depth > 0) focusRow(parentOf(current.path));
          return true;
        case 'Enter':
        case ' ':
          activate(current);
          return true;
        case 'F2':
          rename(current);
          return true;
        case 'Delete':
          remove(current);
          return true;
        default:
          return typeAhead(current);
      }
    };
    const typeAhead = (current: TreeRow): boolean => {
      if (event.key.length !== 1 || event.key === '?') return false;
      const start = rows.indexOf(current) + 1;
      const order = [...rows.slice(start), ...rows.slice(0, start)];
      const letter = event.key.toLowerCase();
      focusRow(order.find(({ name }) => name.toLowerCase().startsWith(letter))?.path);
      return true;
    };
    if (handle()) event.preventDefault();
  };
}
