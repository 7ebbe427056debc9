import type { ReactNode } from 'react';

export interface Panes {
  /** Null where the pane is not shown. */
  readonly files: ReactNode;
  readonly editor: ReactNode;
  readonly terminal: ReactNode;
  readonly preview: ReactNode;
}

/** The panes at their first sizes, until those that can be resized have come. */
export function FixedPanes({ files, editor, terminal, preview }: Panes) {
  return (
    <div className="panes fixed">
      {files !== null && <div className="fixed-files">{files}</div>}
      <div className="fixed-center">
        {editor !== null && <div className="fixed-editor">{editor}</div>}
        <div className="fixed-terminal">{terminal}</div>
      </div>
      {preview !== null && <div className="fixed-preview">{preview}</div>}
    </div>
  );
}
