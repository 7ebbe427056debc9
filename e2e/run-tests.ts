import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SHARED_POSTGRES } from '@clarateach/server/testing/shared-postgres';
import { mustRun } from './runner/elsewhere.ts';
import { collectTests, type Work } from './runner/groups.ts';
import { type Machine, prepareMachine } from './runner/machine.ts';
import { startRunPostgres } from './runner/postgres.ts';
import { type CheckedGroup, runLane } from './runner/run-lane.ts';

/**
 * Runs every test of the repository, or those whose path holds one of the arguments. Prints what it
 * does, ends with `N passed, N failed`, and leaves nothing running. Exit code 0 when all is well.
 */
const root = join(import.meta.dirname, '..');
const artifacts = join(import.meta.dirname, 'artifacts');
const strict = process.env.CI === 'true';
const MAY_USE_POSTGRES = /^(apps\/server|e2e|bench)\//;
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
  const lanes = await collectTests(root, process.argv.slice(2));
  if (lanes.length === 0) {
    process.stderr.write(`No test file's path holds ${process.argv.slice(2).join(' or ')}.\n`);
    return 2;
  }
  await mkdir(artifacts, { recursive: true });
  const files = lanes.flatMap(({ groups }) => groups.flatMap((each) => each.files));
  const machine = await prepareMachine({ artifacts, files, signal: interrupt.signal, say });
  try {
    return await summarize(await runAll(lanes, files), machine);
  } finally {
    await machine.close();
  }
}

async function runAll(lanes: readonly Work[], files: readonly string[]): Promise<readonly CheckedGroup[]> {
  await using shared = new AsyncDisposableStack();
  // Every process of a run loads the same sources: compiled once, they load in a fraction of the time.
  const cache = shared.adopt(await mkdtemp(join(tmpdir(), 'ct-cache-')), (path) =>
    rm(path, { recursive: true, force: true }),
  );
  const postgres = files.some((file) => MAY_USE_POSTGRES.test(file))
    ? shared.adopt(await startRunPostgres(), (server) => server.close())
    : undefined;
  const env = {
    ...process.env,
    CLARATEACH_ARTIFACTS: artifacts,
    NODE_COMPILE_CACHE: cache,
    ...(postgres === undefined ? {} : { [SHARED_POSTGRES]: postgres.url }),
  };
  const options = { root, artifacts, env, signal: interrupt.signal, say };
  return (await Promise.all(lanes.map((work) => runLane(work, options)))).flat();
}

async function summarize(results: readonly CheckedGroup[], { missing, broken }: Machine): Promise<number> {
  const sum = (count: (result: CheckedGroup) => number) =>
    results.reduce((total, result) => total + count(result), 0);
  const leaks = results.flatMap(({ group, leaks }) => leaks.map((leak) => `${group}: ${leak}`));
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
  const slowest = results.flatMap(({ files }) => files).toSorted((one, other) => other.seconds - one.seconds);
  for (const { file, seconds } of slowest.slice(0, 10))
    say(`SLOW ${seconds.toFixed(1).padStart(6)} s  ${file}`);
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
