import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const COMPRESSIBLE = /\.(js|css|html|svg|json|txt|map|wasm|ttf)$/;
/** Below this a compressed file saves nothing after its headers. */
const SMALLEST_BYTES = 512;

const asBrotli = promisify(brotliCompress);
const asGzip = promisify(gzip);

/** Puts `.br` and `.gz` beside every asset, so that the server compresses nothing while a class waits. */
export function precompress(): Plugin {
  let outDir = 'dist';
  return {
    name: 'clarateach:precompress',
    apply: 'build',
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      const files = await readdir(outDir, { recursive: true, withFileTypes: true });
      for (const file of files) {
        if (!file.isFile() || !COMPRESSIBLE.test(file.name)) continue;
        const path = join(file.parentPath, file.name);
        const content = await readFile(path);
        if (content.length < SMALLEST_BYTES) continue;
        const brotli = await asBrotli(content, {
          params: {
            [constants.BROTLI_PARAM_QUALITY]: content.length > 2_000_000 ? 9 : 11,
            [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
          },
        });
        await writeFile(`${path}.br`, brotli);
        await writeFile(`${path}.gz`, await asGzip(content, { level: 9 }));
      }
    },
  };
}
