import { FileQuestion, FileWarning, OctagonAlert, Trash2, TriangleAlert } from 'lucide-react';
import { Suspense, useEffect, useState } from 'react';
import { Confirm } from '../../ui/dialog.tsx';
import { lazyComponent } from '../../ui/lazy-component.ts';
import { Waiting } from '../../ui/spinner.tsx';
import { toast, toastError } from '../../ui/toast.ts';
import { useWorkspace } from '../context.ts';
import { nameOf } from '../files/file-path.ts';
import { sizeText } from '../files/size-text.ts';
import { focusRegion } from '../regions.ts';
import { ConflictDialog } from './conflict-dialog.tsx';
import { EditorTabs } from './editor-tabs.tsx';
import { ImageView } from './image-view.tsx';
import type { OpenFile, TextFile } from './open-file.ts';
import { isDirty } from './open-file.ts';
import { OtherFile } from './other-file.tsx';
import { useOpenFiles } from './use-open-files.ts';
import { WelcomePane } from './welcome-pane.tsx';

const TextEditor = lazyComponent(async () => (await import('./text-editor.tsx')).TextEditor);

interface EditorAreaProps {
  readonly onPreview: () => void;
  readonly onHelp: () => void;
}

export function EditorArea({ onPreview, onHelp }: EditorAreaProps) {
  const { openFiles } = useWorkspace();
  const { files, active } = useOpenFiles();
  const [closing, setClosing] = useState<OpenFile>();
  const current = files.find(({ path }) => path === active);
  const dirty = files.some(isDirty);
  const paths = files.map(({ path }) => path).join('\n');

  useEffect(() => {
    if (!dirty) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [dirty]);

  useEffect(() => {
    // Loaded by now if there was ever a text to show; a first empty list need not load it.
    if (paths !== '')
      void import('./text-editor.tsx').then(({ forgetModels }) => forgetModels(paths.split('\n')));
  }, [paths]);

  const save = async (path: string): Promise<boolean> => {
    try {
      await openFiles.save(path);
      const saved = openFiles.find(path);
      return saved?.kind === 'text' && !isDirty(saved);
    } catch (error) {
      toastError(error);
      return false;
    }
  };
  const close = (file: OpenFile) => {
    if (isDirty(file)) setClosing(file);
    else openFiles.close(file.path);
  };

  if (current === undefined) return <WelcomePane onPreview={onPreview} onHelp={onHelp} />;
  return (
    <section className="pane editor-area" aria-label="Editor" data-region="editor">
      <EditorTabs files={files} active={active} onClose={close} onSave={(path) => void save(path)} />
      <div className="editor-body" role="tabpanel" aria-label={nameOf(current.path)}>
        <FileView file={current} onSave={() => void save(current.path)} />
      </div>
      {current.kind === 'text' && current.conflict && <ConflictDialog file={current} />}
      <Confirm
        open={closing !== undefined}
        onOpenChange={(open) => !open && setClosing(undefined)}
        title={`Close “${nameOf(closing?.path ?? '')}” without saving?`}
        action="Close without saving"
        onConfirm={() => {
          if (closing) openFiles.close(closing.path);
          toast('Closed. The file in the seat is as it was last saved.');
        }}
        focusInstead={() => focusRegion('editor')}
      >
        Your changes to it are not in the seat yet, and are lost when it is closed.
      </Confirm>
    </section>
  );
}

function FileView({ file, onSave }: { readonly file: OpenFile; readonly onSave: () => void }) {
  const { openFiles } = useWorkspace();
  switch (file.kind) {
    case 'loading':
      return <Waiting label="Opening…" />;
    case 'text':
      return (
        <>
          <DiskNotice file={file} />
          <Suspense fallback={<Waiting label="Loading the editor…" />}>
            <TextEditor file={file} onSave={onSave} />
          </Suspense>
        </>
      );
    case 'image':
      return <ImageView file={file} />;
    case 'binary':
      return (
        <OtherFile icon={FileQuestion} title="This file is not text" path={file.path}>
          Its {sizeText(file.size)} would not make sense in an editor.
        </OtherFile>
      );
    case 'large':
      return (
        <OtherFile icon={FileWarning} title="This file is too large for the editor" path={file.path}>
          It has {sizeText(file.size)}. In the terminal, <code>less</code> and <code>nano</code> can open it.
        </OtherFile>
      );
    case 'failed':
      return (
        <OtherFile
          icon={OctagonAlert}
          title="This file could not be opened"
          path={file.path}
          onRetry={() => void openFiles.reload(file.path)}
        >
          {file.message}
        </OtherFile>
      );
  }
}

function DiskNotice({ file }: { readonly file: TextFile }) {
  const { openFiles } = useWorkspace();
  if (file.onDisk === 'changed') {
    return (
      <div className="strip tone-warn" role="status">
        <TriangleAlert size={15} aria-hidden />
        <span>The file was changed in the seat, and you have changes here.</span>
        <button
          type="button"
          className="button small"
          onClick={() => void openFiles.reload(file.path).catch(toastError)}
        >
          Drop mine and reload
        </button>
      </div>
    );
  }
  if (file.onDisk === 'deleted') {
    return (
      <div className="strip tone-warn" role="status">
        <Trash2 size={15} aria-hidden />
        <span>The file was deleted in the seat. Saving brings it back.</span>
      </div>
    );
  }
  return null;
}
