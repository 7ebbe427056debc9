import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { directoryBeside, replaceDirectory } from '../../images/replace-directory.ts';

/**
 * Bundles the workspace server to dist/: `server.cjs` and, beside it, what it finds at run time:
 * tmux.conf, bashrc and `pty/<platform>-<arch>/pty.node`. It needs nothing else than Node. dist/ is
 * replaced as a whole: seats start from it while it is built anew.
 */
const here = import.meta.dirname;
const dist = join(here, 'dist');
const next = directoryBeside(dist);

/**
 * In place of zod: schemas of the contract can be declared, and not be used. A seat checks its few
 * messages by hand, and the library would cost every seat 4.5 MB of memory.
 */
const withoutSchemas: Plugin = {
  name: 'without-schemas',
  setup(bundler) {
    bundler.onResolve({ filter: /^zod$/ }, () => ({ path: 'zod', namespace: 'without-schemas' }));
    bundler.onLoad({ filter: /.*/, namespace: 'without-schemas' }, () => ({
      contents: `
        const inert = new Proxy(() => undefined, {
          get: (_target, name) => {
            if (name === 'parse' || name === 'safeParse') throw new Error('A seat has no schemas; check by hand.');
            return inert;
          },
          apply: () => inert,
        });
        export const z = inert;
      `,
    }));
  },
};

/** ws wants them to call `wss:` addresses, and a seat calls nobody: loading them takes 15 ms of processor time. */
const withoutTls: Plugin = {
  name: 'without-tls',
  setup(bundler) {
    bundler.onResolve({ filter: /^(https|tls)$/ }, ({ path }) => ({ path, namespace: 'without-tls' }));
    bundler.onLoad({ filter: /.*/, namespace: 'without-tls' }, () => ({ contents: 'module.exports = {};' }));
  },
};

await build({
  entryPoints: [join(here, 'src/main.ts')],
  outdir: next,
  entryNames: 'server',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  minify: true,
  keepNames: true,
  platform: 'node',
  // An ES module that imports node:http loads all of its exports, an HTTP client of 20 ms among them.
  format: 'cjs',
  target: 'node26',
  legalComments: 'none',
  define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__filename' },
  plugins: [withoutSchemas, withoutTls],
});

for (const name of ['tmux.conf', 'bashrc']) cpSync(join(here, name), join(next, name));
const fromHere = createRequire(import.meta.url);
const fromNodePty = createRequire(fromHere.resolve('@lydell/node-pty'));
const { optionalDependencies } = JSON.parse(readFileSync(fromNodePty.resolve('./package.json'), 'utf8')) as {
  optionalDependencies: Record<string, string>;
};
for (const name of Object.keys(optionalDependencies)) {
  const platform = /-(linux-(?:x64|arm64))$/.exec(name)?.[1];
  if (platform === undefined) continue;
  let binary: string;
  try {
    binary = fromNodePty.resolve(`${name}/pty.node`);
  } catch {
    continue; // npm installs the binary of this machine only.
  }
  mkdirSync(join(next, 'pty', platform), { recursive: true });
  cpSync(binary, join(next, 'pty', platform, 'pty.node'));
}

replaceDirectory(next, dist);
