import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What learners load before their terminal works. Files that come later may be among them; none may be missing. */
const FIRST = 'src/{join/*,ui/*,workspace/*,workspace/terminal/*}.tsx';
const ROOT = join(import.meta.dirname, '..');

/** Tells the modules of the icons that a learner's first visit shows from those of all the other pages. */
export function firstIcons(): (id: string) => boolean {
  const shown = new Set<string>();
  for (const file of globSync(FIRST, { cwd: ROOT })) {
    const names = /import \{([^}]*)\} from 'lucide-react'/.exec(readFileSync(join(ROOT, file), 'utf8'))?.[1];
    for (const name of names?.split(',') ?? []) shown.add(name.trim());
  }
  const modules = new Set<string>();
  // An icon has several names; the list of all of them says which module it is.
  const node = fileURLToPath(import.meta.resolve('lucide-react'));
  const list = readFileSync(join(dirname(node), '../esm/lucide-react.mjs'), 'utf8');
  for (const [, names, module] of list.matchAll(/export \{([^}]*)\} from '\.\/icons\/([^']+)'/g)) {
    const known = names?.split(',').map((name) => name.replace('default as', '').trim());
    if (module !== undefined && known?.some((name) => shown.has(name))) modules.add(module);
  }
  if (modules.size === 0) throw new Error('No icon was found: lucide-react lists them in another way now.');
  return (id) => modules.has(/\/lucide-react\/.*\/icons\/([^/]+)$/.exec(id)?.[1] ?? '');
}
