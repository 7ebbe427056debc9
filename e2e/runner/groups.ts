import { glob } from 'node:fs/promises';

/** Tests that run together. A file belongs to the first group that claims it. */
export interface Group {
  readonly name: string;
  readonly claims: (file: string) => boolean;
  /** Files that run at once. */
  readonly concurrency: number;
  readonly timeoutMinutes: number;
}

/** Groups that run one after another, beside those of the other lanes. */
export interface Lane {
  /** Whether its tests make things in the Docker engine; of one lane only, so that what is left is known to be its own. */
  readonly usesEngine: boolean;
  readonly groups: readonly Group[];
}

const under =
  (...directories: string[]) =>
  (file: string) =>
    directories.some((directory) => file.startsWith(`${directory}/`));

const microvms = (file: string) => file.includes('/src/providers/microvm/');
const inGuests = (file: string) => /\/(guest|microvm)-[a-z-]+\.test\.ts$/.test(file);
const runtimes = (file: string) => file.includes('/src/providers/') || under('images')(file);

/** Guests in software keep a processor busy, while most of the rest waits: so they run beside it. */
const guestLane: readonly Group[] = [
  { name: 'microvms', claims: microvms, concurrency: 1, timeoutMinutes: 25 },
  { name: 'in-guests', claims: inGuests, concurrency: 1, timeoutMinutes: 25 },
];

/** Cheap and wide first, so that a plain mistake shows early. */
const mainLane: readonly Group[] = [
  {
    name: 'packages',
    claims: (file) => under('packages', 'apps/web')(file) && !runtimes(file),
    concurrency: 2,
    timeoutMinutes: 5,
  },
  { name: 'workspace', claims: under('apps/workspace'), concurrency: 1, timeoutMinutes: 6 },
  { name: 'server', claims: under('apps/server'), concurrency: 2, timeoutMinutes: 8 },
  { name: 'agent', claims: under('apps/agent'), concurrency: 1, timeoutMinutes: 12 },
  { name: 'runtimes', claims: runtimes, concurrency: 1, timeoutMinutes: 8 },
  { name: 'command-line', claims: under('apps/cli'), concurrency: 1, timeoutMinutes: 6 },
  {
    name: 'workers',
    claims: (file) => /^e2e\/(workers?|partitions|placement)[.-]/.test(file),
    concurrency: 2,
    timeoutMinutes: 12,
  },
  { name: 'hostile-room', claims: under('e2e/hostile'), concurrency: 1, timeoutMinutes: 10 },
  { name: 'end-to-end', claims: under('e2e', 'bench'), concurrency: 1, timeoutMinutes: 25 },
];

const LANES: readonly Lane[] = [
  { usesEngine: false, groups: guestLane },
  { usesEngine: true, groups: mainLane },
];

/** What a lane has to run: its groups, each with the files it claims. */
export interface Work {
  readonly lane: Lane;
  readonly groups: readonly { readonly group: Group; readonly files: readonly string[] }[];
}

/** Every test file whose path holds one of the patterns, by lane and group, in the order to run them. */
export async function collectTests(root: string, patterns: readonly string[]): Promise<readonly Work[]> {
  const files: string[] = [];
  const found = glob('{packages,apps,images,e2e,bench}/**/*.test.ts', {
    cwd: root,
    exclude: (path) => /(^|\/)(node_modules|dist|artifacts)(\/|$)/.test(path),
  });
  for await (const file of found) {
    if (patterns.length === 0 || patterns.some((pattern) => file.includes(pattern))) files.push(file);
  }
  files.sort();
  const all = LANES.flatMap(({ groups }) => groups);
  const groupOf = (file: string) => all.find((group) => group.claims(file));
  return LANES.map((lane) => ({
    lane,
    groups: lane.groups
      .map((group) => ({ group, files: files.filter((file) => groupOf(file) === group) }))
      .filter((each) => each.files.length > 0),
  })).filter(({ groups }) => groups.length > 0);
}
