import { useRef } from 'react';
import { Group, Panel, Separator } from 'react-resizable-panels';
import type { Panes } from './fixed-panes.tsx';

/** The panes with edges that can be dragged, and moved with the arrow keys. */
export function ResizablePanes({ files, editor, terminal, preview }: Panes) {
  const filesEdge = useRef<HTMLDivElement>(null);
  const editorEdge = useRef<HTMLDivElement>(null);
  const previewEdge = useRef<HTMLDivElement>(null);
  return (
    <Group
      orientation="horizontal"
      className="panes"
      onLayoutChange={(layout) => {
        say(filesEdge.current, layout.files);
        say(previewEdge.current, layout.center);
      }}
    >
      {files !== null && (
        <Panel key="files" id="files" defaultSize="15rem" minSize="12.5rem" maxSize="45">
          {files}
        </Panel>
      )}
      {files !== null && (
        <Separator
          key="files-edge"
          elementRef={filesEdge}
          className="edge vertical"
          aria-label="Width of the files"
        />
      )}
      <Panel key="center" id="center" minSize={280}>
        <Group
          orientation="vertical"
          className="panes"
          onLayoutChange={(layout) => say(editorEdge.current, layout.editor)}
        >
          {editor !== null && (
            <Panel key="editor" id="editor" defaultSize="54" minSize={120}>
              {editor}
            </Panel>
          )}
          {editor !== null && (
            <Separator
              key="editor-edge"
              elementRef={editorEdge}
              className="edge horizontal"
              aria-label="Height of the terminal"
            />
          )}
          <Panel key="terminal" id="terminal-panel" minSize={110}>
            {terminal}
          </Panel>
        </Group>
      </Panel>
      {preview !== null && (
        <Separator
          key="preview-edge"
          elementRef={previewEdge}
          className="edge vertical"
          aria-label="Width of the preview"
        />
      )}
      {preview !== null && (
        <Panel key="preview" id="preview" defaultSize="40" minSize={260}>
          {preview}
        </Panel>
      )}
    </Group>
  );
}

/** Where an edge stands, in percent. The library tells it only once the edge was moved. */
function say(edge: HTMLElement | null, percent: number | undefined): void {
  if (percent !== undefined) edge?.setAttribute('aria-valuenow', String(Math.round(percent)));
}
