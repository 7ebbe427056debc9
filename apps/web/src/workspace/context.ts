import type { SeatSession } from '@clarateach/contract/join';
import { createContext, use } from 'react';
import type { OpenFiles } from './editor/open-files.ts';
import type { FileChanges } from './files/file-changes.ts';
import type { SeatFiles } from './files/seat-files.ts';
import type { SeatPass } from './seat-pass.ts';

/** What the panes of a workspace share. */
export interface Workspace {
  readonly pass: SeatPass;
  readonly session: SeatSession;
  readonly files: SeatFiles;
  readonly changes: FileChanges;
  readonly openFiles: OpenFiles;
}

export const WorkspaceContext = createContext<Workspace | undefined>(undefined);

export function useWorkspace(): Workspace {
  const workspace = use(WorkspaceContext);
  if (!workspace) throw new Error('This component belongs into a workspace');
  return workspace;
}
