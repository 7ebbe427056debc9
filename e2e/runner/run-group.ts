import { createWriteStream } from 'node:fs';
import { join, relative } from 'node:path';
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

/** Runs a group's files, each in a process of its own; prints as it goes and writes JUnit XML. */
export async function runGroup(
  group: Group,
  files: readonly string[],
  options: { readonly root: string; readonly artifacts: string; readonly signal: AbortSignal },
): Promise<GroupResult> {
  const started = Date.now();
  const overtime = AbortSignal.timeout(group.timeoutMinutes * 60_000);
  const counts = { passed: 0, failed: 0 };
  const notRun: NotRun[] = [];
  const failures: { file: string; test: string }[] = [];
  const where = (event: TestEvent) => (event.file === undefined ? '' : relative(options.root, event.file));

  const stream = run({
    files: files.map((file) => join(options.root, file)),
    cwd: options.root,
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

  const report = stream
    .compose(junit)
    .pipe(createWriteStream(join(options.artifacts, `junit-${group.name}.xml`)));
  stream.compose(new spec()).pipe(process.stdout, { end: false });
  await finished(report);

  return {
    group: group.name,
    ...counts,
    seconds: Math.round((Date.now() - started) / 1000),
    notRun,
    failures,
    timedOut: overtime.aborted,
  };
}
