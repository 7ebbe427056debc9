import { randomBytes } from 'node:crypto';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun } from './runner/elsewhere.ts';
import { collectTests } from './runner/groups.ts';
import { type DockerThings, dockerThings, findLeftBehind, RUN_MARK } from './runner/leaks.ts';
import { type Machine, prepareMachine } from './runner/machine.ts';
import { type GroupResult, runGroup } from './runner/run-group.ts';

/**
 * Runs every test of the repository, or those whose path holds one of the arguments. Prints what it
 * does, ends with `N passed, N failed`, and leaves nothing running. Exit code 0 when all is well.
 */
const root = join(import.meta.dirname, '..');
const artifacts = join(import.meta.dirname, 'artifacts');
const strict = process.env.CI === 'true';
const say = (text: string) => process.stdout.write(`${text}\n`);

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(130);
    say('\nInterrupted: ending what runs (once more to leave at once).');
    interrupt.abort(new Error('interrupted'));
  });
}

async function main(): Promise<number> {
  const groups = await collectTests(root, process.argv.slice(2));
  if (groups.length === 0) {
    process.stderr.write(`No test file's path holds ${process.argv.slice(2).join(' or ')}.\n`);
    return 2;
  }
  await mkdir(artifacts, { recursive: true });
  const machine = await prepareMachine({
    artifacts,
    files: groups.flatMap((each) => each.files),
    signal: interrupt.signal,
    say,
  });
  try {
    return await runAll(groups, machine);
  } finally {
    await machine.close();
  }
}

async function runAll(groups: Awaited<ReturnType<typeof collectTests>>, machine: Machine): Promise<number> {
  const mark = randomBytes(4).toString('hex');
  // Short, because the path of a Unix socket holds 107 bytes; open, because PostgreSQL is not run as root.
  const directory = join(tmpdir(), `ct-${mark}`);
  await mkdir(directory);
  await chmod(directory, 0o1777);
  const dockerBefore = await dockerThings();
  const results: GroupResult[] = [];
  const leaks: string[] = [];
  Object.assign(process.env, { TMPDIR: directory, [RUN_MARK]: mark, CLARATEACH_ARTIFACTS: artifacts });
  try {
    for (const { group, files } of groups) {
      if (interrupt.signal.aborted) break;
      say(`\n== ${group.name}: ${files.length} file${files.length === 1 ? '' : 's'}`);
      const result = await runGroup(group, files, { root, artifacts, signal: interrupt.signal });
      results.push(result);
      if (result.timedOut) say(`== ${group.name} did not end within ${group.timeoutMinutes} minutes`);
      leaks.push(...(await clearLeaks(group.name, { mark, directory, dockerBefore })));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  return await summarize(results, machine, leaks);
}

/** Ends processes that tests have left and says what else there is; things of others are not touched. */
async function clearLeaks(
  group: string,
  run: { mark: string; directory: string; dockerBefore: DockerThings },
): Promise<string[]> {
  const left = await findLeftBehind(run);
  for (const { pid } of left.processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
  for (const file of left.files) await rm(join(run.directory, file), { recursive: true, force: true });
  return [
    ...left.processes.map(({ pid, command }) => `${group}: process ${pid} ${command}`),
    ...left.docker.map((name) => `${group}: ${name}`),
    ...left.files.map((name) => `${group}: file ${name}`),
  ];
}

async function summarize(
  results: readonly GroupResult[],
  { missing, broken }: Machine,
  leaks: readonly string[],
): Promise<number> {
  const sum = (count: (result: GroupResult) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const notRun = results.flatMap((result) => result.notRun);
  const timedOut = results.filter((result) => result.timedOut).map((result) => result.group);
  const passed = sum((result) => result.passed);
  const failed = sum((result) => result.failed) + leaks.length + timedOut.length + broken.length;

  say('');
  for (const { group, passed: good, failed: bad, seconds } of results) {
    say(
      `${group.padEnd(14)} ${String(good).padStart(5)} passed ${String(bad).padStart(4)} failed ${String(seconds).padStart(5)} s`,
    );
  }
  for (const { file, test, reason } of notRun) say(`NOT RUN ${file} › ${test}: ${reason}`);
  for (const reason of missing) say(`MISSING ${reason}`);
  for (const result of results) {
    for (const { file, test } of result.failures) say(`FAILED ${file} › ${test}`);
  }
  for (const reason of broken) say(`FAILED ${reason}`);
  for (const group of timedOut) say(`FAILED ${group} did not end in its time`);
  for (const leak of leaks) say(`LEFT BEHIND ${leak}`);
  const lacking = notRun.filter(mustRun);
  if (strict && lacking.length > 0) say('Tests that are not run fail the run, because CI=true.');

  await writeFile(
    join(artifacts, 'summary.json'),
    `${JSON.stringify({ passed, failed, skipped: notRun.length, missing, broken, leaks, groups: results }, null, 2)}\n`,
  );
  say(`${passed} passed, ${failed} failed${notRun.length > 0 ? `, ${notRun.length} skipped` : ''}`);
  return interrupt.signal.aborted || failed > 0 || passed === 0 || (strict && lacking.length > 0) ? 1 : 0;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${interrupt.signal.aborted ? 'Interrupted.' : ((error as Error).stack ?? error)}\n`);
  return 1;
});
