import { Group, Panel, Separator } from 'react-resizable-panels';
import type { Panes } from './fixed-panes.tsx';

/** The panes with edges that can be dragged, and moved with the arrow keys. */
export function ResizablePanes({ files, editor, terminal, preview }: Panes) {
  return (
    <Group orientation="horizontal" className="panes">
      {files !== null && (
        <Panel key="files" id="files" defaultSize={236} minSize={160} maxSize="45">
          {files}
        </Panel>
      )}
      {files !== null && (
        <Separator key="files-edge" className="edge vertical" aria-label="Width of the files" />
      )}
      <Panel key="center" id="center" minSize={280}>
        <Group orientation="vertical" className="panes">
          {editor !== null && (
            <Panel key="editor" id="editor" defaultSize="54" minSize={120}>
              {editor}
            </Panel>
          )}
          {editor !== null && (
            <Separator key="editor-edge" className="edge horizontal" aria-label="Height of the terminal" />
          )}
          <Panel key="terminal" id="terminal-panel" minSize={110}>
            {terminal}
          </Panel>
        </Group>
      </Panel>
      {preview !== null && (
        <Separator key="preview-edge" className="edge vertical" aria-label="Width of the preview" />
      )}
      {preview !== null && (
        <Panel key="preview" id="preview" defaultSize="40" minSize={260}>
          {preview}
        </Panel>
      )}
    </Group>
  );
}
