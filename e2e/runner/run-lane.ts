import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Lane, Work } from './groups.ts';
import { type DockerThings, dockerThings, findLeftBehind, RUN_MARK } from './leaks.ts';
import { type GroupResult, runGroup } from './run-group.ts';

export interface CheckedGroup extends GroupResult {
  /** What its tests have left: processes, files, things in the Docker engine. */
  readonly leaks: readonly string[];
}

interface Options {
  readonly root: string;
  readonly artifacts: string;
  /** Settings that every test process is given. */
  readonly env: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/** Runs the groups of a lane in turn, and looks after each for what its tests have left. */
export async function runLane({ lane, groups }: Work, options: Options): Promise<readonly CheckedGroup[]> {
  const mark = randomBytes(4).toString('hex');
  // Short, because the path of a Unix socket holds 107 bytes; open, because PostgreSQL is not run as root.
  const directory = join(tmpdir(), `ct-${mark}`);
  await mkdir(directory);
  await chmod(directory, 0o1777);
  const dockerBefore = await dockerThings();
  const results: CheckedGroup[] = [];
  try {
    for (const { group, files } of groups) {
      if (options.signal.aborted) break;
      options.say(`\n== ${group.name}: ${files.length} file${files.length === 1 ? '' : 's'}`);
      const result = await runGroup(group, files, {
        ...options,
        env: { ...options.env, TMPDIR: directory, [RUN_MARK]: mark },
      });
      if (result.timedOut) options.say(`== ${group.name} did not end within ${group.timeoutMinutes} minutes`);
      const leaks = await clearLeaks(lane, { mark, directory, dockerBefore });
      results.push({ ...result, leaks });
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return results;
}

/** Ends processes that tests have left and says what else there is; things of others are not touched. */
async function clearLeaks(
  { usesEngine }: Lane,
  run: { mark: string; directory: string; dockerBefore: DockerThings },
): Promise<readonly string[]> {
  // What is in the engine belongs to the lane that uses it, which looks for itself.
  const left = await findLeftBehind(usesEngine ? run : { ...run, dockerBefore: await dockerThings() });
  for (const { pid } of left.processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  for (const file of left.files) await rm(join(run.directory, file), { recursive: true, force: true });
  return [
    ...left.processes.map(({ pid, command }) => `process ${pid} ${command}`),
    ...(usesEngine ? left.docker : []),
    ...left.files.map((name) => `file ${name}`),
  ];
}
