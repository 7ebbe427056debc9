import { CommandError } from '../errors.ts';
import { run } from '../prepare/run.ts';

/** Packages that can go, and those that others of this machine have come to need. */
export interface Removable {
  readonly go: readonly string[];
  /** With what apt would remove, or install in their place; nothing where apt finds no way at all. */
  readonly kept: readonly { readonly name: string; readonly neededBy: readonly string[] }[];
}

/** All packages that would be changed if these were removed; undefined where apt finds no way to. */
export type Simulate = (packages: readonly string[]) => Promise<readonly string[] | undefined>;

/** The most of the packages that can be removed without anything else being removed or installed. */
export async function removablePackages(packages: readonly string[], simulate: Simulate): Promise<Removable> {
  const kept: { name: string; neededBy: readonly string[] }[] = [];
  let go = [...packages];
  for (;;) {
    const others = async (names: readonly string[]) =>
      (await simulate(names))?.filter((changed) => !go.includes(changed));
    if (go.length === 0 || (await others(go))?.length === 0) return { go, kept };
    const free: string[] = [];
    for (const name of go) {
      const neededBy = await others([name]);
      if (neededBy?.length === 0) free.push(name);
      else kept.push({ name, neededBy: neededBy ?? [] });
    }
    if (free.length === go.length) {
      // Something needs one of them, whichever.
      const neededBy = (await others(go)) ?? [];
      return { go: [], kept: [...kept, ...go.map((name) => ({ name, neededBy }))] };
    }
    go = free;
  }
}

/** Asks apt, which changes nothing. */
export async function simulateRemoval(
  packages: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[] | undefined> {
  const changed: string[] = [];
  const onLine = (line: string) => {
    const name = /^(?:Remv|Inst) (\S+)/.exec(line)?.[1];
    if (name !== undefined) changed.push(name);
  };
  try {
    await run('apt-get', ['remove', '--simulate', '-q', ...packages], {
      ...{ signal, onLine },
      env: { LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CommandError) return undefined;
    throw error;
  }
  return changed;
}
