import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { builtinModules, createRequire } from 'node:module';
import { join } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { directoryBeside, replaceDirectory } from '../../images/replace-directory.ts';

/**
 * Bundles the workspace server to dist/: `server.mjs` and, beside it, what it finds at run time:
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

/**
 * Node's own modules by `require`: imported, each would first list all that it exports, and load what it
 * otherwise loads when it is used. A seat starts in three quarters of the time.
 */
const requiredBuiltins: Plugin = {
  name: 'required-builtins',
  setup(bundler) {
    const namespace = 'builtin';
    bundler.onResolve({ filter: /^(node:)?[a-z_]+(\/[a-z]+)?$/ }, ({ path }) => {
      const name = path.replace(/^node:/, '');
      return builtinModules.includes(name) ? { path: name, namespace } : undefined;
    });
    // What a client of WebSockets would need of them; a seat only serves, and takes no TLS.
    const unused = ['https', 'tls'];
    bundler.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: `module.exports = ${unused.includes(path) ? '{}' : `__require_builtin('node:${path}')`};`,
    }));
  },
};

await build({
  entryPoints: [join(here, 'src/main.ts')],
  outdir: next,
  entryNames: 'server',
  outExtension: { '.js': '.mjs' },
  bundle: true,
  minify: true,
  keepNames: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  legalComments: 'none',
  banner: {
    js: "import{createRequire as __cr}from'node:module';const __require_builtin=__cr(import.meta.url);",
  },
  plugins: [withoutSchemas, requiredBuiltins],
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
