import { useSyncExternalStore } from 'react';
import { useWorkspace } from '../context.ts';
import type { OpenFilesState } from './open-files.ts';

export function useOpenFiles(): OpenFilesState {
  const { openFiles } = useWorkspace();
  return useSyncExternalStore(openFiles.subscribe, () => openFiles.state);
}
