import { ChevronRight, LoaderCircle } from 'lucide-react';
import type { DragEvent } from 'react';
import { FileIcon } from './file-icon.tsx';
import type { TreeRow } from './tree-model.ts';

interface TreeRowViewProps {
  readonly row: TreeRow;
  readonly focused: boolean;
  readonly active: boolean;
  readonly dropTarget: boolean;
  readonly onActivate: () => void;
  readonly onFocus: () => void;
  readonly onDragOver: (event: DragEvent) => void;
  readonly onDrop: (event: DragEvent) => void;
}

export function TreeRowView(props: TreeRowViewProps) {
  const { row, focused, active, dropTarget, onActivate, onFocus, onDragOver, onDrop } = props;
  const directory = row.type === 'directory';
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles the keys of all its items
    <div
      role="treeitem"
      aria-level={row.depth + 1}
      aria-posinset={row.position}
      aria-setsize={row.siblings}
      aria-expanded={directory ? row.expanded : undefined}
      aria-selected={active}
      tabIndex={focused ? 0 : -1}
      data-path={row.path}
      {...(focused ? { 'data-region-entry': '' } : {})}
      className={`tree-row ${dropTarget ? 'drop-target' : ''}`}
      style={{ paddingLeft: 8 + row.depth * 14 }}
      title={row.path}
      onClick={onActivate}
      onFocus={onFocus}
      onDragOver={onDragOver}
      onDrop={onDrop}
    >
      <span className="tree-chevron">
        {directory &&
          (row.loading ? (
            <LoaderCircle className="spin" size={14} aria-hidden />
          ) : (
            <ChevronRight size={14} className={row.expanded ? 'open' : ''} aria-hidden />
          ))}
      </span>
      <FileIcon name={row.name} type={row.type} expanded={row.expanded} />
      <span className="tree-name">{row.name}</span>
    </div>
  );
}
