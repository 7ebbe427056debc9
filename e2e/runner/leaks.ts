import { readdir, readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { askEngine } from './docker-engine.ts';
import { installationsElsewhere } from './installations.ts';

/** Set for every test process, and inherited by what they start: a process that has it is ours. */
export const RUN_MARK = 'CLARATEACH_TEST_RUN';

export interface LeftBehind {
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  readonly docker: readonly string[];
  readonly files: readonly string[];
}

/** By name, as in `volume clarateach-ws-abcdefgh-seat-01`; without an installation, nobody says whose it is. */
export type DockerThings = ReadonlyMap<string, string | undefined>;

const GRACE_MS = 10_000;
const LOOK_AGAIN_MS = 250;

/** Everything in the engine that seats are made of, by name, with the installation that it belongs to. */
export async function dockerThings(): Promise<DockerThings> {
  type Labelled = { Labels: Record<string, string> | null };
  const [containers, networks, volumes] = await Promise.all([
    askEngine<(Labelled & { Names: string[] })[]>('/containers/json?all=true'),
    askEngine<(Labelled & { Name: string })[]>('/networks'),
    askEngine<{ Volumes: (Labelled & { Name: string })[] | null }>('/volumes'),
  ]);
  const named = [
    ...(containers ?? []).map(
      (each) => ['container', each.Names[0]?.replace(/^\//, '') ?? '', each.Labels] as const,
    ),
    ...(networks ?? []).map((each) => ['network', each.Name, each.Labels] as const),
    ...(volumes?.Volumes ?? []).map((each) => ['volume', each.Name, each.Labels] as const),
  ];
  return new Map(
    named
      .filter(([, name]) => /clarateach-(ws|guard)-/.test(name))
      .map(([kind, name, labels]) => [`${kind} ${name}`, labels?.['clarateach.installation']]),
  );
}

/**
 * What tests have left: processes that carry the run's mark or live in its directory, things in the
 * Docker engine that were not there before and are no other installation's, files in the run's
 * directory. What is just going away is given a little time.
 */
export async function findLeftBehind(options: {
  readonly mark: string;
  readonly directory: string;
  readonly dockerBefore: DockerThings;
}): Promise<LeftBehind> {
  const deadline = Date.now() + GRACE_MS;
  for (;;) {
    const [processes, docker, files] = await Promise.all([
      markedProcesses(options.mark, options.directory),
      newThings(options),
      readdir(options.directory).catch(() => []),
    ]);
    const left = { processes, docker, files: files.filter((name) => !CACHES.test(name)) };
    if (left.processes.length + left.docker.length + left.files.length === 0 || Date.now() > deadline)
      return left;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Another server, or another run, may use the engine meanwhile: what is theirs is none of ours. */
async function newThings(options: { mark: string; dockerBefore: DockerThings }): Promise<readonly string[]> {
  const { mark, dockerBefore } = options;
  const things = [...(await dockerThings())].filter(([name]) => !dockerBefore.has(name));
  if (things.length === 0) return [];
  const before = new Set(dockerBefore.values());
  const isElsewhere = await installationsElsewhere(
    (environment) => environment.includes(`${RUN_MARK}=${mark}`),
    RUN_MARK,
  );
  return things
    .filter(
      ([, installation]) =>
        installation === undefined || !(before.has(installation) || isElsewhere(installation)),
    )
    .map(([name]) => name);
}

/** Caches that Node.js and its tools keep in the temporary directory. */
const CACHES = /^(node-compile-cache|v8-compile-cache|tsx-)/;

/**
 * What is bound into the file system of a process that does not see this process's mounts, as paths from
 * the root of the disk that it is on; nothing for all others.
 */
async function boundPaths(pid: string): Promise<readonly string[]> {
  const [its, ours] = await Promise.all(
    [pid, 'self'].map((each) => readlink(`/proc/${each}/ns/mnt`).catch(() => '')),
  );
  if (its === ours || its === '') return [];
  const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
  // The fourth field; the fifth is where it is seen, which a mount of the host's own would show to everybody.
  return mounts.split('\n').map((line) => line.split(' ')[3] ?? '');
}

async function markedProcesses(mark: string, directory: string): Promise<LeftBehind['processes']> {
  const found: { pid: number; command: string }[] = [];
  const needle = `${RUN_MARK}=${mark}`;
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const [environment, command, cwd, bound] = await Promise.all([
      readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      boundPaths(name),
    ]);
    if (command === '') continue;
    if (
      environment.split('\0').includes(needle) ||
      command.includes(directory) ||
      cwd.startsWith(directory) ||
      // A sandboxed seat has neither our environment nor our paths, but its files are bound from there.
      bound.some((path) => path.includes(`/${basename(directory)}/`))
    ) {
      found.push({ pid, command: command.replaceAll('\0', ' ').trim().slice(0, 200) });
    }
  }
  return found;
}
