import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { junit, spec } from 'node:test/reporters';
import type { Group } from './groups.ts';

export interface NotRun {
  readonly file: string;
  readonly test: string;
  readonly reason: string;
}

export interface GroupResult {
  readonly group: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
  /** How long the process of each file ran. */
  readonly files: readonly { readonly file: string; readonly seconds: number }[];
  readonly notRun: readonly NotRun[];
  readonly failures: readonly { readonly file: string; readonly test: string }[];
  /** The group did not end in its time; what ran before counts. */
  readonly timedOut: boolean;
}

interface TestEvent {
  readonly name: string;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details?: { readonly type?: string | undefined };
}

const say = (group: string, line: string) => process.stdout.write(`${group.padEnd(12)} | ${line}\n`);

/** Runs a group's files, each in a process of its own; prints as it goes, each line under its name, and writes JUnit XML. */
export async function runGroup(
  group: Group,
  files: readonly string[],
  options: {
    readonly root: string;
    readonly artifacts: string;
    readonly env: NodeJS.ProcessEnv;
    readonly signal: AbortSignal;
  },
): Promise<GroupResult> {
  const started = Date.now();
  const overtime = AbortSignal.timeout(group.timeoutMinutes * 60_000);
  const counts = { passed: 0, failed: 0 };
  const ran: { file: string; seconds: number }[] = [];
  const notRun: NotRun[] = [];
  const failures: { file: string; test: string }[] = [];
  const where = (event: TestEvent) => (event.file === undefined ? '' : relative(options.root, event.file));

  const stream = run({
    files: files.map((file) => join(options.root, file)),
    cwd: options.root,
    env: options.env,
    concurrency: group.concurrency,
    timeout: group.timeoutMinutes * 60_000,
    signal: AbortSignal.any([overtime, options.signal]),
  });
  const ended = (event: TestEvent, outcome: 'passed' | 'failed') => {
    const reason = event.skip ?? event.todo;
    if (reason !== undefined && reason !== false) {
      const text = typeof reason === 'string' && reason !== '' ? reason : 'no reason given';
      notRun.push({ file: where(event), test: event.name, reason: text });
    } else if (event.details?.type !== 'suite') {
      counts[outcome]++;
      if (outcome === 'failed') failures.push({ file: where(event), test: event.name });
    }
  };
  stream.on('test:pass', (event) => ended(event, 'passed'));
  stream.on('test:fail', (event) => ended(event, 'failed'));

  stream.on('test:complete', ({ name, file, nesting, details }) => {
    // The process of a file is reported as a test that has its path for a name.
    if (nesting !== 0 || name !== file) return;
    const seconds = Math.round(details.duration_ms / 100) / 10;
    ran.push({ file: relative(options.root, file), seconds });
    say(group.name, `${ran.at(-1)?.file} took ${seconds} s`);
  });

  const report = stream
    .compose(junit)
    .pipe(createWriteStream(join(options.artifacts, `junit-${group.name}.xml`)));
  const lines = createInterface({ input: stream.compose(new spec()) });
  lines.on('line', (line) => say(group.name, line));
  await Promise.all([finished(report), once(lines, 'close')]);

  return {
    group: group.name,
    ...counts,
    files: ran,
    seconds: Math.round((Date.now() - started) / 1000),
    notRun,
    failures,
    timedOut: overtime.aborted,
  };
}
