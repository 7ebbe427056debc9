import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseSeatName, type SeatId, type WorkshopId } from '@clarateach/contract/ids';
import type { ConformanceSubject } from '../../conformance.ts';
import type { SeatSpec } from '../../provider.ts';
import { installationName, type LocalOptions, localProvider } from './local.ts';
import { bootId, processesWith, send, until } from './processes.ts';
import { SeatFiles } from './seat-files.ts';
import { findProcesses, MARK } from './seat-process.ts';

const run = promisify(execFile);
const REPOSITORY = join(import.meta.dirname, '../../../../..');
const TOOLS = join(REPOSITORY, 'images/workspace/tools');
const BUNDLE = join(REPOSITORY, 'apps/workspace/dist');

export const WORKSHOP = 'ws-local000' as WorkshopId;

/** A local installation in a temporary directory, for tests. */
export interface LocalSubject extends ConformanceSubject {
  readonly options: LocalOptions;
}

/** Why no local seat can run here; undefined when it can. */
export function whyNoLocalSeats(): string | undefined {
  if (process.platform !== 'linux') return 'local seats need Linux';
  if (existsSync(join(TOOLS, 'node_modules/.bin/node'))) return undefined;
  return 'the tools of the seats are not installed (npm ci in images/workspace/tools)';
}

export function localSpec(n: number): SeatSpec {
  return {
    id: { workshop: WORKSHOP, seat: n },
    env: {},
    limits: { memoryMiB: 1024, cpus: 2, processes: 200, openFiles: 4096 },
  };
}

export async function localSubject(sandbox: 'bubblewrap' | 'none', parent = tmpdir()): Promise<LocalSubject> {
  await buildBundle();
  const root = await realpath(await mkdtemp(join(parent, 'local-seats-')));
  const options: LocalOptions = { root, toolsDirectory: TOOLS, workspaceBundle: BUNDLE, sandbox };
  const provider = await localProvider(options);
  return {
    options,
    provider,
    again: () => localProvider(options),
    spec: localSpec,
    kill: (seat) => killSeatOf(root, seat),
    leftovers: () => leftoversOf(root),
    async cleanup() {
      const signal = new AbortController().signal;
      for (const seat of await provider.list(signal)) await provider.destroy(seat, signal);
      await provider.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Once, also when several test files come here at the same time in a fresh checkout. */
async function buildBundle(): Promise<void> {
  const lock = join(REPOSITORY, 'apps/workspace/.dist-lock');
  if (existsSync(join(BUNDLE, 'server.cjs')) && !existsSync(lock)) return;
  try {
    await mkdir(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (!(await until(async () => !existsSync(lock), { withinMs: 60_000 })))
      throw new Error(`${lock} stays: remove it if no other test runs`);
    return;
  }
  try {
    await run(process.execPath, [join(REPOSITORY, 'apps/workspace/build.ts')]);
  } finally {
    await rmdir(lock);
  }
}

async function killSeatOf(root: string, seat: SeatId): Promise<void> {
  const files = new SeatFiles(root, seat);
  const record = await files.record();
  if (!record) throw new Error('the seat does not run');
  const { init, launched } = await findProcesses(files, record, await bootId());
  const victim = init ?? launched;
  if (!victim) throw new Error('the seat does not run');
  await send(victim, 'SIGKILL');
}

async function leftoversOf(root: string): Promise<string[]> {
  const files = (await readdir(root)).filter(parseSeatName);
  const processes: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    const mounts = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '');
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (mounts.includes(`${root}/`) || command.includes(`${root}/`))
      processes.push(`process ${pid} ${command.replaceAll('\0', ' ')}`);
  }
  const installation = installationName(root);
  const marked = await processesWith(MARK, installation);
  const { stdout } = await run('find', ['/sys/fs/cgroup', '-type', 'd', '-name', `*-${installation}`]);
  return [
    ...files,
    ...processes,
    ...marked.map((each) => `process ${each.pid}`),
    ...stdout.split('\n').filter(Boolean),
  ];
}
