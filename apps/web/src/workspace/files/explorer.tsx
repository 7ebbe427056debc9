import {
  CopyMinus,
  Download,
  Ellipsis,
  FilePlus,
  FolderPlus,
  FolderTree,
  RefreshCw,
  Upload,
} from 'lucide-react';
import { ContextMenu } from 'radix-ui';
import type { DragEvent } from 'react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { messageOf } from '../../api/api-error.ts';
import { Confirm } from '../../ui/dialog.tsx';
import { IconButton } from '../../ui/icon-button.tsx';
import { Menu } from '../../ui/menu.tsx';
import { toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import { useOpenFiles } from '../editor/use-open-files.ts';
import { DownloadStrip } from './download-strip.tsx';
import type { FileUpload } from './dropped-files.ts';
import { droppedFiles } from './dropped-files.ts';
import { EntryMenu } from './entry-menu.tsx';
import { useFileActions } from './file-actions.ts';
import { isWithin, joinPath, nameOf, parentOf } from './file-path.ts';
import { NameInput } from './name-input.tsx';
import { useTakenQuestion } from './taken-dialog.tsx';
import { treeKey } from './tree-keys.ts';
import type { TreeRow } from './tree-model.ts';
import { visibleRows } from './tree-model.ts';
import { TreeRowView } from './tree-row.tsx';
import { useDownload } from './use-download.ts';
import { useTree } from './use-tree.ts';

interface ExplorerProps {
  readonly onOpen: (path: string, size?: number) => void;
}

/** A name being typed into the tree. */
type Editing =
  | { readonly kind: 'file' | 'directory'; readonly directory: string }
  | { readonly kind: 'rename'; readonly path: string };

export function Explorer({ onOpen }: ExplorerProps) {
  const { session } = useWorkspace();
  const { active } = useOpenFiles();
  const { tree, error, unfold, fold, foldAll, refresh } = useTree();
  const [question, ask] = useTakenQuestion();
  const actions = useFileActions(refresh, ask);
  const download = useDownload();
  const rows = useMemo(() => visibleRows(tree), [tree]);
  const [focused, setFocused] = useState<string>();
  const [editing, setEditing] = useState<Editing>();
  const [removing, setRemoving] = useState<TreeRow>();
  const [dropTarget, setDropTarget] = useState<string>();
  const [uploading, setUploading] = useState(false);
  /** The row that a focus without a place goes to, once it is shown; '' for the tree itself. */
  const [landing, setLanding] = useState<string>();
  const treeElement = useRef<HTMLDivElement>(null);
  const picker = useRef<HTMLInputElement>(null);

  const row = rows.find(({ path }) => path === focused);
  /** Where something new goes: into the chosen directory, or beside the chosen file. */
  const place = row === undefined ? '' : row.type === 'directory' ? row.path : parentOf(row.path);
  const entry = row?.path ?? rows[0]?.path;

  const rowElement = (path: string) =>
    treeElement.current?.querySelector<HTMLElement>(`[data-path="${CSS.escape(path)}"]`);
  const focusRow = (path: string | undefined) => {
    if (path === undefined) return;
    setFocused(path);
    rowElement(path)?.focus();
  };
  useEffect(() => {
    if (landing === undefined || (landing !== '' && !rows.some(({ path }) => path === landing))) return;
    // After a click that ended the name has moved the focus itself.
    const timer = setTimeout(() => {
      setLanding(undefined);
      if (document.activeElement !== document.body) return;
      if (landing === '') treeElement.current?.focus();
      else rowElement(landing)?.focus();
    });
    return () => clearTimeout(timer);
  }, [landing, rows]);
  const stay = () => {
    setEditing(undefined);
    setLanding(entry ?? '');
  };
  /** Deletes it; its neighbour has the focus then. */
  const remove = async (path: string) => {
    const index = rows.findIndex((each) => each.path === path);
    const next = rows.slice(index).find((each) => !isWithin(each.path, path)) ?? rows[index - 1];
    await actions.remove(path);
    setLanding(next?.path ?? '');
  };
  const activate = (target: TreeRow) => {
    setFocused(target.path);
    if (target.type !== 'directory') onOpen(target.path, target.size);
    else if (target.expanded) fold(target.path);
    else unfold(target.path);
  };
  const begin = (kind: 'file' | 'directory', directory = place) => {
    if (directory !== '') unfold(directory);
    setEditing({ kind, directory });
  };
  const upload = async (directory: string, uploads: readonly FileUpload[]) => {
    if (uploads.length === 0) return;
    setUploading(true);
    await actions.upload(directory, uploads);
    setUploading(false);
  };
  const onDragOver = (directory: string) => (event: DragEvent) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    event.stopPropagation();
    setDropTarget(directory);
  };
  const onDrop = (directory: string) => (event: DragEvent) => {
    event.preventDefault();
    event.stopPropagation();
    setDropTarget(undefined);
    droppedFiles(event.dataTransfer).then((uploads) => upload(directory, uploads), toastError);
  };
  const onKeyDown = treeKey({
    rows,
    row,
    focusRow,
    activate,
    fold,
    unfold,
    rename: ({ path }) => setEditing({ kind: 'rename', path }),
    remove: setRemoving,
  });

  const depth = (directory: string) => (directory === '' ? 0 : directory.split('/').length);
  const namesIn = (directory: string) => (tree.listings.get(directory) ?? []).map(({ name }) => name);
  const newName = editing !== undefined && editing.kind !== 'rename' && (
    <NameInput
      key="new"
      label={editing.kind === 'file' ? 'Name of the new file' : 'Name of the new folder'}
      initial=""
      depth={depth(editing.directory)}
      taken={namesIn(editing.directory)}
      onCancel={stay}
      onDone={async (name) => {
        setEditing(undefined);
        const make = editing.kind === 'file' ? actions.createFile : actions.createDirectory;
        const made = await make(editing.directory, name);
        setLanding(made ? joinPath(editing.directory, name) : (entry ?? ''));
      }}
    />
  );
  const newIn = (directory: string) => (newName && editing.directory === directory ? newName : null);
  const newInRoot = newIn('');

  return (
    <section className="pane explorer" aria-label="Files" data-region="files">
      <header className="pane-head">
        <h2>
          <FolderTree size={15} aria-hidden /> Files
        </h2>
        <div className="pane-tools">
          <IconButton size="small" icon={FilePlus} label="New file" onClick={() => begin('file')} />
          <IconButton size="small" icon={FolderPlus} label="New folder" onClick={() => begin('directory')} />
          <IconButton
            size="small"
            icon={Upload}
            label={place === '' ? 'Upload files' : `Upload files to ${place}`}
            aria-disabled={uploading}
            onClick={() => !uploading && picker.current?.click()}
          />
          <IconButton
            size="small"
            icon={Download}
            label="Download everything"
            aria-disabled={download.running !== undefined}
            onClick={() => download.start('', 'directory')}
          />
          <Menu
            trigger={<IconButton size="small" icon={Ellipsis} label="More for the files" />}
            actions={[
              { label: 'Refresh the files', icon: RefreshCw, onSelect: () => void refresh() },
              { label: 'Fold all folders', icon: CopyMinus, onSelect: foldAll },
            ]}
          />
        </div>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={({ currentTarget }) => {
            const chosen = [...(currentTarget.files ?? [])];
            void upload(
              place,
              chosen.map((file) => ({ path: file.name, file })),
            );
            currentTarget.value = '';
          }}
        />
      </header>
      <DownloadStrip {...download} />
      <ContextMenu.Root>
        <ContextMenu.Trigger asChild>
          <div
            ref={treeElement}
            className={`tree ${dropTarget === '' ? 'drop-target' : ''}`}
            role="tree"
            aria-label={`Files of seat ${session.seat}`}
            aria-busy={uploading}
            tabIndex={rows.length === 0 ? 0 : -1}
            onKeyDown={onKeyDown}
            onContextMenu={({ target }) =>
              setFocused(
                target instanceof Element
                  ? target.closest<HTMLElement>('[data-path]')?.dataset.path
                  : undefined,
              )
            }
            onDragOver={onDragOver('')}
            onDragLeave={() => setDropTarget(undefined)}
            onDrop={onDrop('')}
          >
            {newInRoot}
            {rows.map((item) => {
              const target = item.type === 'directory' ? item.path : parentOf(item.path);
              if (editing?.kind === 'rename' && editing.path === item.path) {
                return (
                  <NameInput
                    key={item.path}
                    label={`New name of ${item.name}`}
                    initial={item.name}
                    depth={item.depth}
                    taken={namesIn(parentOf(item.path)).filter((name) => name !== item.name)}
                    onCancel={stay}
                    onDone={async (name) => {
                      setEditing(undefined);
                      const renamed = await actions.rename(item.path, name);
                      setLanding(renamed ? joinPath(parentOf(item.path), name) : item.path);
                    }}
                  />
                );
              }
              return [
                <TreeRowView
                  key={item.path}
                  row={item}
                  focused={item.path === entry}
                  active={item.path === active}
                  dropTarget={dropTarget !== undefined && dropTarget !== '' && target === dropTarget}
                  onActivate={() => activate(item)}
                  onFocus={() => setFocused(item.path)}
                  onDragOver={onDragOver(target)}
                  onDrop={onDrop(target)}
                />,
                newIn(item.path),
              ];
            })}
            {rows.length === 0 && newInRoot === null && (
              <div className="tree-empty soft" role="treeitem" aria-disabled tabIndex={-1}>
                {error !== undefined
                  ? messageOf(error)
                  : tree.listings.has('')
                    ? 'No files yet. Make one, drop some here, or use the terminal.'
                    : 'Loading the files…'}
              </div>
            )}
          </div>
        </ContextMenu.Trigger>
        <EntryMenu
          row={row}
          onNewFile={() => begin('file')}
          onNewFolder={() => begin('directory')}
          onUpload={() => picker.current?.click()}
          onDownload={() =>
            download.start(
              row?.path ?? '',
              row === undefined || row.type === 'directory' ? 'directory' : 'file',
            )
          }
          onRename={() => row && setEditing({ kind: 'rename', path: row.path })}
          onDelete={() => setRemoving(row)}
        />
      </ContextMenu.Root>
      <Confirm
        open={removing !== undefined}
        onOpenChange={(open) => !open && setRemoving(undefined)}
        title={`Delete “${removing === undefined ? '' : nameOf(removing.path)}”?`}
        action="Delete"
        onConfirm={() => removing && void remove(removing.path)}
        focusInstead={() => focusRow(entry)}
      >
        {removing?.type === 'directory'
          ? 'The folder and everything in it are deleted. This cannot be undone.'
          : 'The file is deleted. This cannot be undone.'}
      </Confirm>
      {question}
    </section>
  );
}
