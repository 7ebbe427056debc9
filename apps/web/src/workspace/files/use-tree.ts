import { useCallback, useEffect, useRef, useState } from 'react';
import { ApiError } from '../../api/api-error.ts';
import { useWorkspace } from '../context.ts';
import type { Tree } from './tree-model.ts';
import { allFolded, emptyTree, folded, listed, staleDirectories, unfolded, unlisted } from './tree-model.ts';

export interface TreeHandle {
  readonly tree: Tree;
  /** Why the root cannot be shown. */
  readonly error: unknown;
  readonly unfold: (directory: string) => void;
  readonly fold: (directory: string) => void;
  readonly foldAll: () => void;
  readonly refresh: (directory?: string) => Promise<void>;
}

/** The seat's files as a tree that follows what happens in the seat. */
export function useTree(): TreeHandle {
  const { files, changes } = useWorkspace();
  const [tree, setTree] = useState<Tree>(emptyTree);
  const [error, setError] = useState<unknown>();
  const current = useRef(tree);
  current.current = tree;

  const refresh = useCallback(
    async (directory = '') => {
      try {
        const entries = await files.list(directory);
        setTree((before) => listed(before, directory, entries));
        if (directory === '') setError(undefined);
      } catch (caught) {
        const gone = caught instanceof ApiError && caught.code === 'not_found';
        if (directory === '') setError(caught);
        else if (gone) setTree((before) => unlisted(before, directory));
        else setTree((before) => folded(before, directory));
      }
    },
    [files],
  );

  useEffect(() => {
    void refresh();
    return changes.subscribe((told) => {
      for (const directory of staleDirectories(current.current, told)) void refresh(directory);
    });
  }, [changes, refresh]);

  const unfold = useCallback(
    (directory: string) => {
      setTree((before) => unfolded(before, directory));
      void refresh(directory);
    },
    [refresh],
  );
  const fold = useCallback((directory: string) => setTree((before) => folded(before, directory)), []);
  const foldAll = useCallback(() => setTree(allFolded), []);
  return { tree, error, unfold, fold, foldAll, refresh };
}
