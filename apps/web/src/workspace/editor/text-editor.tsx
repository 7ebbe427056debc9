import { useEffect, useRef } from 'react';
import { useTheme } from '../../ui/theme.ts';
import { useWorkspace } from '../context.ts';
import { applyTheme, EDITOR_OPTIONS, monaco } from './monaco.ts';
import type { TextFile } from './open-file.ts';

interface TextEditorProps {
  readonly file: TextFile;
  readonly onSave: () => void;
}

type Editor = monaco.editor.IStandaloneCodeEditor;

/** Cursor and scroll position of each file, while its tab is open. */
const viewStates = new Map<string, monaco.editor.ICodeEditorViewState | null>();

const uriOf = (path: string) => monaco.Uri.from({ scheme: 'seat', path: `/${path}` });

/** Lets go of what the editor holds of files that have no tab any more. */
export function forgetModels(openPaths: readonly string[]): void {
  const open = new Set(openPaths.map((path) => uriOf(path).toString()));
  for (const model of monaco.editor.getModels()) {
    const { uri } = model;
    if (uri.scheme !== 'seat' || open.has(uri.toString())) continue;
    viewStates.delete(uri.path.slice(1));
    model.dispose();
  }
}

/** One editor that changes its model with the tab. */
export function TextEditor({ file, onSave }: TextEditorProps) {
  const { openFiles } = useWorkspace();
  const host = useRef<HTMLDivElement>(null);
  const editorRef = useRef<Editor>(undefined);
  const save = useRef(onSave);
  save.current = onSave;
  const theme = useTheme();
  const { path, text } = file;

  useEffect(() => applyTheme(theme), [theme]);

  useEffect(() => {
    if (!host.current) return;
    const editor = monaco.editor.create(host.current, { ...EDITOR_OPTIONS, model: null });
    editorRef.current = editor;
    editor.addCommand(monaco.KeyMod.CtrlCmd | monaco.KeyCode.KeyS, () => save.current());
    const changed = editor.onDidChangeModelContent((event) => {
      const model = editor.getModel();
      // A flush is our own setValue; everything else is the person's.
      if (model && !event.isFlush) openFiles.edit(model.uri.path.slice(1), model.getValue());
    });
    return () => {
      changed.dispose();
      editor.dispose();
    };
  }, [openFiles]);

  useEffect(() => {
    const editor = editorRef.current;
    if (!editor) return;
    const uri = uriOf(path);
    const model = monaco.editor.getModel(uri) ?? monaco.editor.createModel(text, undefined, uri);
    if (editor.getModel() !== model) {
      editor.setModel(model);
      editor.updateOptions({ ariaLabel: `Editor of ${path}` });
      editor.restoreViewState(viewStates.get(path) ?? null);
      editor.focus();
    }
    // The seat's version was taken over: the cursor stays where it was.
    if (model.getValue() !== text) {
      const position = editor.getPosition();
      model.setValue(text);
      if (position) editor.setPosition(position);
    }
  }, [path, text]);

  useEffect(() => {
    const editor = editorRef.current;
    return () => {
      if (editor?.getModel()?.uri.path.slice(1) === path) viewStates.set(path, editor.saveViewState());
    };
  }, [path]);

  return <div ref={host} className="editor-host" />;
}

interface CompareProps {
  readonly path: string;
  readonly theirs: string;
  readonly mine: string;
}

/** The seat's version on the left, the one in the editor on the right. */
export function Compare({ path, theirs, mine }: CompareProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!host.current) return;
    const editor = monaco.editor.createDiffEditor(host.current, {
      ...EDITOR_OPTIONS,
      readOnly: true,
      originalAriaLabel: 'The version in the seat',
      modifiedAriaLabel: 'Your version',
    });
    const language = monaco.editor.getModel(uriOf(path))?.getLanguageId();
    const original = monaco.editor.createModel(theirs, language);
    const modified = monaco.editor.createModel(mine, language);
    editor.setModel({ original, modified });
    return () => {
      editor.dispose();
      original.dispose();
      modified.dispose();
    };
  }, [path, theirs, mine]);
  return <div ref={host} className="compare-host" />;
}
