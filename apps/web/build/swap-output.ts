import { join } from 'node:path';
import type { Plugin } from 'vite';
import { directoryBeside, replaceDirectory } from '../../../images/replace-directory.ts';

/** Builds beside `dist` and puts it there when all is done, so that a server that runs never serves half a build. */
export function swapOutput(): Plugin {
  const target = join(import.meta.dirname, '..', 'dist');
  const next = directoryBeside(target);
  let failed = false;
  return {
    name: 'clarateach:swap-output',
    apply: 'build',
    config: () => ({ build: { outDir: next } }),
    buildEnd(error) {
      failed ||= error !== undefined;
    },
    closeBundle: {
      order: 'post',
      sequential: true,
      handler() {
        if (!failed) replaceDirectory(next, target);
      },
    },
  };
}
