import { Save, X } from 'lucide-react';
import type { KeyboardEvent } from 'react';
import { useEffect, useId, useRef } from 'react';
import { IconButton } from '../../ui/icon-button.tsx';
import { Spinner } from '../../ui/spinner.tsx';
import { useWorkspace } from '../context.ts';
import { FileIcon } from '../files/file-icon.tsx';
import { nameOf } from '../files/file-path.ts';
import type { OpenFile } from './open-file.ts';
import { isDirty } from './open-file.ts';

interface EditorTabsProps {
  readonly files: readonly OpenFile[];
  readonly active: string | undefined;
  readonly onClose: (file: OpenFile) => void;
  readonly onSave: (path: string) => void;
}

export function EditorTabs({ files, active, onClose, onSave }: EditorTabsProps) {
  const { openFiles } = useWorkspace();
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const current = files.find(({ path }) => path === active);
  useEffect(() => {
    list.current
      ?.querySelector('[aria-selected="true"]')
      ?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [active]);

  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (event.key === 'Delete' && current) onClose(current);
    if (step === 0) return;
    const index = files.findIndex(({ path }) => path === active);
    const next = files[(index + step + files.length) % files.length];
    if (!next) return;
    openFiles.activate(next.path);
    list.current?.querySelectorAll<HTMLElement>('[role="tab"]')[files.indexOf(next)]?.focus();
  };

  return (
    <div className="editor-tabs">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the tabs in it take the keys */}
      <div className="tab-list" ref={list} onKeyDown={onKeyDown}>
        {/* A list of tabs holds tabs alone; the buttons that close them stand beside it. */}
        <div
          role="tablist"
          aria-label="Open files"
          aria-owns={files.map((_, index) => `${id}-${index}`).join(' ')}
        />
        {files.map((file, index) => (
          <EditorTab
            key={file.path}
            id={`${id}-${index}`}
            file={file}
            active={file.path === active}
            onClose={() => onClose(file)}
          />
        ))}
      </div>
      {current?.kind === 'text' && (
        <div className="pane-tools">
          {current.saving ? (
            <span className="icon-button small" role="status" aria-label="Saving">
              <Spinner size={15} />
            </span>
          ) : (
            <IconButton
              size="small"
              icon={Save}
              label="Save (Ctrl S)"
              disabled={!isDirty(current)}
              onClick={() => onSave(current.path)}
            />
          )}
        </div>
      )}
    </div>
  );
}

interface EditorTabProps {
  readonly id: string;
  readonly file: OpenFile;
  readonly active: boolean;
  readonly onClose: () => void;
}

function EditorTab({ id, file, active, onClose }: EditorTabProps) {
  const { openFiles } = useWorkspace();
  const dirty = isDirty(file);
  const name = nameOf(file.path);
  return (
    <div className={`editor-tab ${active ? 'active' : ''} ${dirty ? 'dirty' : ''}`}>
      <button
        type="button"
        role="tab"
        id={id}
        aria-selected={active}
        tabIndex={active ? 0 : -1}
        title={file.path}
        onClick={() => openFiles.activate(file.path)}
        onAuxClick={(event) => event.button === 1 && onClose()}
      >
        <FileIcon name={name} />
        <span>{name}</span>
        {dirty && <span className="visually-hidden">, not saved</span>}
      </button>
      <span className="dirty-dot" aria-hidden />
      <button
        type="button"
        className="tab-close"
        aria-label={`Close ${name}`}
        tabIndex={active ? 0 : -1}
        onClick={onClose}
      >
        <X size={14} aria-hidden />
      </button>
    </div>
  );
}
