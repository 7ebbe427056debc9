import { glob } from 'node:fs/promises';

/** Tests that run together. A file belongs to the first group that claims it. */
export interface Group {
  readonly name: string;
  readonly claims: (file: string) => boolean;
  /** Files that run at once. */
  readonly concurrency: number;
  readonly timeoutMinutes: number;
}

const under =
  (...directories: string[]) =>
  (file: string) =>
    directories.some((directory) => file.startsWith(`${directory}/`));

const microvms = (file: string) => file.includes('/src/providers/microvm/');
const runtimes = (file: string) =>
  (file.includes('/src/providers/') || under('images')(file)) && !microvms(file);

/** In the order they run: cheap and wide first, so that a plain mistake shows early. */
export const GROUPS: readonly Group[] = [
  {
    name: 'packages',
    claims: (file) => under('packages', 'apps/web')(file) && !runtimes(file) && !microvms(file),
    concurrency: 2,
    timeoutMinutes: 5,
  },
  { name: 'workspace', claims: under('apps/workspace'), concurrency: 1, timeoutMinutes: 6 },
  { name: 'server', claims: under('apps/server'), concurrency: 1, timeoutMinutes: 8 },
  { name: 'agent', claims: under('apps/agent'), concurrency: 1, timeoutMinutes: 12 },
  {
    name: 'microvms',
    claims: microvms,
    concurrency: 1,
    // Guests may run in software here, on processors that others use as well.
    timeoutMinutes: 25,
  },
  { name: 'runtimes', claims: runtimes, concurrency: 1, timeoutMinutes: 8 },
  { name: 'command-line', claims: under('apps/cli'), concurrency: 1, timeoutMinutes: 6 },
  {
    name: 'workers',
    claims: (file) => /^e2e\/(workers?|partitions|placement)[.-]/.test(file),
    concurrency: 1,
    timeoutMinutes: 12,
  },
  { name: 'hostile-room', claims: under('e2e/hostile'), concurrency: 1, timeoutMinutes: 10 },
  { name: 'end-to-end', claims: under('e2e', 'bench'), concurrency: 1, timeoutMinutes: 25 },
];

/** Every test file whose path holds one of the patterns, by group, in the order to run them. */
export async function collectTests(
  root: string,
  patterns: readonly string[],
): Promise<readonly { group: Group; files: readonly string[] }[]> {
  const files: string[] = [];
  const found = glob('{packages,apps,images,e2e,bench}/**/*.test.ts', {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|dist|artifacts)(\/|$)/.test(path),
  });
  for await (const file of found) {
    if (patterns.length === 0 || patterns.some((pattern) => file.includes(pattern))) files.push(file);
  }
  files.sort();
  const groupOf = (file: string) => GROUPS.find((group) => group.claims(file));
  return GROUPS.map((group) => ({ group, files: files.filter((file) => groupOf(file) === group) })).filter(
    (each) => each.files.length > 0,
  );
}
