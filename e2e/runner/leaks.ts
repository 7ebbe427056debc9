import { readdir, readFile, readlink } from 'node:fs/promises';
import { askEngine } from './docker-engine.ts';

/** Set for every test process, and inherited by what they start: a process that has it is ours. */
export const RUN_MARK = 'CLARATEACH_TEST_RUN';

export interface LeftBehind {
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  readonly docker: readonly string[];
  readonly files: readonly string[];
}

const GRACE_MS = 10_000;
const LOOK_AGAIN_MS = 250;

/** Everything in the engine that a seat is made of. */
export async function dockerThings(): Promise<ReadonlySet<string>> {
  const ours = (names: readonly (string | undefined)[]) =>
    names.filter((name): name is string => name !== undefined && /clarateach-ws-/.test(name));
  const [containers, networks, volumes] = await Promise.all([
    askEngine<{ Names: string[] }[]>('/containers/json?all=true'),
    askEngine<{ Name: string }[]>('/networks'),
    askEngine<{ Volumes: { Name: string }[] | null }>('/volumes'),
  ]);
  return new Set([
    ...ours((containers ?? []).map((each) => each.Names[0])).map(
      (name) => `container ${name.replace(/^\//, '')}`,
    ),
    ...ours((networks ?? []).map((each) => each.Name)).map((name) => `network ${name}`),
    ...ours((volumes?.Volumes ?? []).map((each) => each.Name)).map((name) => `volume ${name}`),
  ]);
}

/**
 * What tests have left: processes that carry the run's mark or live in its directory, things in the
 * Docker engine that were not there before, files in the run's directory. What is just going away
 * is given a little time.
 */
export async function findLeftBehind(options: {
  readonly mark: string;
  readonly directory: string;
  readonly dockerBefore: ReadonlySet<string>;
}): Promise<LeftBehind> {
  const deadline = Date.now() + GRACE_MS;
  for (;;) {
    const [processes, docker, files] = await Promise.all([
      markedProcesses(options.mark, options.directory),
      dockerThings().then((now) => [...now].filter((name) => !options.dockerBefore.has(name))),
      readdir(options.directory).catch(() => []),
    ]);
    const left = { processes, docker, files: files.filter((name) => !CACHES.test(name)) };
    if (left.processes.length + left.docker.length + left.files.length === 0 || Date.now() > deadline)
      return left;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Caches that Node.js and its tools keep in the temporary directory. */
const CACHES = /^(node-compile-cache|v8-compile-cache|tsx-)/;

async function markedProcesses(mark: string, directory: string): Promise<LeftBehind['processes']> {
  const found: { pid: number; command: string }[] = [];
  const needle = `${RUN_MARK}=${mark}`;
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const [environment, command, cwd] = await Promise.all([
      readFile(`/proc/${pid}/environ`, 'utf8').catch(() => ''),
      readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''),
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
    ]);
    if (command === '') continue;
    if (
      environment.split('\0').includes(needle) ||
      command.includes(directory) ||
      cwd.startsWith(directory)
    ) {
      found.push({ pid, command: command.replaceAll('\0', ' ').trim().slice(0, 200) });
    }
  }
  return found;
}
