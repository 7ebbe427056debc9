import assert from 'node:assert/strict';
import { access, glob, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '..');

/** What each package may import of the others: the arrows of the house, which have no cycle. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'packages/contract': [],
  'packages/seats': ['contract'],
  'packages/gateway': ['contract'],
  'apps/workspace': ['contract'],
  'apps/web': ['contract'],
  'apps/server': ['contract', 'seats', 'gateway'],
  'apps/agent': ['contract', 'seats', 'gateway'],
  'apps/cli': ['contract', 'seats', 'server', 'agent'],
  bench: ['contract', 'seats', 'gateway', 'server', 'agent', 'cli', 'workspace'],
  e2e: ['contract', 'seats', 'gateway', 'server', 'agent', 'cli', 'workspace', 'bench'],
};

/** Tools that want a default export. */
const DEFAULT_EXPORT_WANTED = /(^|\/)(vite\.config|knip\.config)\.ts$/;
const LONGEST_FILE = 600;

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
  readonly isTest: boolean;
}

async function sources(): Promise<readonly Source[]> {
  const found: Source[] = [];
  const files = glob('{packages,apps,images,e2e,bench}/**/*.{ts,tsx}', {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|dist|artifacts|results)(\/|$)/.test(path),
  });
  for await (const path of files) {
    const text = await readFile(join(root, path), 'utf8');
    found.push({
      path,
      text,
      imports: importsOf(text),
      isTest: /(\.test\.tsx?$|\/testing[/.-]|conformance)/.test(path),
    });
  }
  return found;
}

function importsOf(text: string): string[] {
  const statement =
    /^\s*(?:import|export)\s[^'"`;]*?from\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm;
  return [...text.matchAll(statement)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

const packageOf = (path: string) =>
  Object.keys(MAY_IMPORT).find((directory) => path.startsWith(`${directory}/`));

const isBuiltin = (name: string) => name.startsWith('node:') || builtinModules.includes(name);

/** `@scope/name/sub` → `@scope/name` */
const packageName = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

function list(problems: readonly string[]): string {
  return `\n  ${problems.join('\n  ')}`;
}

describe('the repository', async () => {
  const all = await sources();

  it('has packages that import only downwards', () => {
    const problems: string[] = [];
    for (const { path, imports } of all) {
      const home = packageOf(path);
      if (home === undefined) continue;
      for (const specifier of imports) {
        const other = /^@clarateach\/([a-z-]+)/.exec(specifier)?.[1];
        if (other === undefined || home.endsWith(other)) continue;
        if (!MAY_IMPORT[home]?.includes(other)) problems.push(`${path} imports ${specifier}`);
      }
    }
    assert.deepEqual(problems, [], list(problems));
  });

  it('has packages that name in package.json what they import', async () => {
    const problems: string[] = [];
    for (const home of Object.keys(MAY_IMPORT)) {
      const manifest = JSON.parse(await readFile(join(root, home, 'package.json'), 'utf8')) as {
        name: string;
        dependencies?: Record<string, string>;
        devDependencies?: Record<string, string>;
      };
      const named = new Set([manifest.name, ...Object.keys(manifest.dependencies ?? {})]);
      const forTests = new Set(Object.keys(manifest.devDependencies ?? {}));
      for (const { path, imports, isTest } of all) {
        if (packageOf(path) !== home) continue;
        const buildsOnly = /(^|\/)(build\.ts|vite\.config\.ts|build\/[^/]+\.ts)$/.test(path);
        for (const specifier of imports) {
          if (/^(\.|virtual:)/.test(specifier) || isBuiltin(specifier)) continue;
          const name = packageName(specifier);
          const typesOnly = forTests.has(`@types/${name}`) || forTests.has(name);
          if (!named.has(name) && !((isTest || buildsOnly || home === 'bench') && typesOnly)) {
            problems.push(`${path} imports ${name}, which ${home}/package.json does not name`);
          }
        }
      }
    }
    assert.deepEqual(problems, [], list(problems));
  });

  it('reaches into another package by its name, never by a path', () => {
    const problems: string[] = [];
    for (const { path, imports } of all) {
      for (const specifier of imports.filter((each) => each.startsWith('.'))) {
        const target = relative(root, join(root, dirname(path), specifier));
        const [from, to] = [packageOf(path), packageOf(target)];
        if (to !== undefined && from !== to) problems.push(`${path} imports ${specifier}`);
      }
    }
    assert.deepEqual(problems, [], list(problems));
  });

  it('keeps Node.js out of the web app and the contract', () => {
    const problems = all
      .filter(({ path, isTest }) => /^(apps\/web\/src|packages\/contract\/src)\//.test(path) && !isTest)
      .flatMap(({ path, imports }) => imports.filter(isBuiltin).map((name) => `${path} imports ${name}`));
    assert.deepEqual(problems, [], list(problems));
  });

  it('has no default exports but where a tool wants one', () => {
    const problems = all
      .filter(({ path, text }) => /^export default\b/m.test(text) && !DEFAULT_EXPORT_WANTED.test(path))
      .map(({ path }) => path);
    assert.deepEqual(problems, [], list(problems));
  });

  it('has no barrels', () => {
    const problems = all
      .filter(({ path, text }) => {
        const statements = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').trim();
        const rest = statements.replace(
          /export\s+(type\s+)?(\*|\{[^}]*\})(\s+as\s+\w+)?\s+from\s+'[^']+';?/g,
          '',
        );
        return /(^|\/)index\.tsx?$/.test(path) || (statements !== '' && rest.trim() === '');
      })
      .map(({ path }) => path);
    assert.deepEqual(problems, [], list(problems));
  });

  it(`has no file of more than ${LONGEST_FILE} lines`, () => {
    const problems = all
      .map(({ path, text }) => ({ path, lines: text.split('\n').length }))
      .filter(({ lines }) => lines > LONGEST_FILE)
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    assert.deepEqual(problems, [], list(problems));
  });

  it('has lock files that name no registry', async () => {
    const problems: string[] = [];
    for await (const path of glob('{package-lock.json,{images,apps,bench}/**/package-lock.json}', {
      cwd: root,
      exclude: (each) => each.includes('node_modules'),
    })) {
      const { packages } = JSON.parse(await readFile(join(root, path), 'utf8')) as {
        packages: Record<string, { resolved?: string }>;
      };
      for (const [name, { resolved }] of Object.entries(packages)) {
        if (resolved?.includes('://')) problems.push(`${path}: ${name} comes from ${new URL(resolved).host}`);
      }
    }
    assert.deepEqual(problems, [], list(problems));
  });

  it('has a README whose commands and links exist', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const { commandTree } = await import('@clarateach/cli/program');
    const problems: string[] = [];
    for (const [, words = ''] of readme.matchAll(/(?:^|`|\s)(?:\.\/)?clarateach ((?:[a-z][a-z-]*\b ?)+)/gm)) {
      const [first = '', second = ''] = words.trim().split(' ');
      const under = commandTree().get(first);
      if (under === undefined) problems.push(`clarateach ${first}`);
      else if (under.size > 0 && second !== '' && !under.has(second))
        problems.push(`clarateach ${first} ${second}`);
    }
    for (const [, target = ''] of readme.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (target.includes('://')) continue;
      const exists = await access(join(root, target)).then(
        () => true,
        () => false,
      );
      if (!exists) problems.push(`link to ${target}`);
    }
    assert.deepEqual(problems, [], list(problems));
  });
});
