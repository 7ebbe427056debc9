import { Download, FilePlus, FolderPlus, Pencil, Trash2, Upload } from 'lucide-react';
import { ContextMenu } from 'radix-ui';
import type { TreeRow } from './tree-model.ts';

interface EntryMenuProps {
  /** Undefined: the free space below the tree. */
  readonly row: TreeRow | undefined;
  readonly onNewFile: () => void;
  readonly onNewFolder: () => void;
  readonly onUpload: () => void;
  readonly onDownload: () => void;
  readonly onRename: () => void;
  readonly onDelete: () => void;
}

export function EntryMenu(props: EntryMenuProps) {
  const { row, onNewFile, onNewFolder, onUpload, onDownload, onRename, onDelete } = props;
  const directory = row === undefined || row.type === 'directory';
  return (
    <ContextMenu.Portal>
      <ContextMenu.Content
        className="menu"
        collisionPadding={8}
        onCloseAutoFocus={(event) => {
          // What was chosen may have taken the focus: a name to type, a question.
          if (document.activeElement !== document.body) event.preventDefault();
        }}
      >
        <ContextMenu.Item className="menu-item" onSelect={onNewFile}>
          <FilePlus size={16} aria-hidden /> New file
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={onNewFolder}>
          <FolderPlus size={16} aria-hidden /> New folder
        </ContextMenu.Item>
        <ContextMenu.Separator className="menu-line" />
        <ContextMenu.Item className="menu-item" onSelect={onUpload}>
          <Upload size={16} aria-hidden /> Upload here
        </ContextMenu.Item>
        <ContextMenu.Item className="menu-item" onSelect={onDownload}>
          <Download size={16} aria-hidden /> {directory ? 'Download as zip' : 'Download'}
        </ContextMenu.Item>
        {row !== undefined && (
          <>
            <ContextMenu.Separator className="menu-line" />
            <ContextMenu.Item className="menu-item" onSelect={onRename}>
              <Pencil size={16} aria-hidden /> Rename <span className="shortcut">F2</span>
            </ContextMenu.Item>
            <ContextMenu.Item className="menu-item danger" onSelect={onDelete}>
              <Trash2 size={16} aria-hidden /> Delete <span className="shortcut">Del</span>
            </ContextMenu.Item>
          </>
        )}
      </ContextMenu.Content>
    </ContextMenu.Portal>
  );
}
