import * as monaco from 'monaco-editor/editor/editor.api.js';
import EditorWorker from 'monaco-editor/editor/editor.worker.js?worker';
import type { Theme } from '../../ui/theme.ts';
import './monaco-features.ts';

declare global {
  interface Window {
    MonacoEnvironment?: monaco.Environment;
  }
}

window.MonacoEnvironment = { getWorker: () => new EditorWorker() };

const rules = (colors: Record<string, string>) =>
  Object.entries(colors).map(([token, foreground]) => ({ token, foreground }));

monaco.editor.defineTheme('clarateach-light', {
  base: 'vs',
  inherit: true,
  rules: rules({ comment: '6b757b', keyword: '85348f', string: '8a5200', number: '1c6e3a', type: '0d6b66' }),
  colors: {
    'editor.background': '#ffffff',
    'editor.foreground': '#1d2429',
    'editorLineNumber.foreground': '#8b8d8a',
    'editor.lineHighlightBackground': '#f6f5f1',
    'editor.lineHighlightBorder': '#00000000',
    'editorCursor.foreground': '#0d6b66',
    'editor.selectionBackground': '#cfe6e3',
    focusBorder: '#0d6b66',
  },
});
monaco.editor.defineTheme('clarateach-dark', {
  base: 'vs-dark',
  inherit: true,
  rules: rules({ comment: '8b979e', keyword: 'd9a0e6', string: 'f2b95f', number: '74d394', type: '5ac8bc' }),
  colors: {
    'editor.background': '#1b2024',
    'editor.foreground': '#e7ebed',
    'editorLineNumber.foreground': '#69747c',
    'editor.lineHighlightBackground': '#222930',
    'editor.lineHighlightBorder': '#00000000',
    'editorCursor.foreground': '#5ac8bc',
    'editor.selectionBackground': '#2b5450',
    'editorWidget.background': '#222930',
    focusBorder: '#5ac8bc',
  },
});

export { monaco };

export function applyTheme(theme: Theme): void {
  monaco.editor.setTheme(`clarateach-${theme}`);
}

export const EDITOR_OPTIONS = {
  automaticLayout: true,
  fontFamily:
    'ui-monospace, "SF Mono", "Cascadia Code", Menlo, "DejaVu Sans Mono", "Liberation Mono", monospace',
  fontSize: 14,
  minimap: { enabled: false },
  scrollBeyondLastLine: false,
  smoothScrolling: false,
  tabSize: 4,
  padding: { top: 10, bottom: 10 },
  fixedOverflowWidgets: true,
  renderLineHighlightOnlyWhenFocus: true,
  bracketPairColorization: { enabled: true },
} satisfies monaco.editor.IStandaloneEditorConstructionOptions;
