import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  defaultPolicy,
  nextStep,
  type SeatFailure,
  type SeatSituation,
  type Step,
  seatPhase,
  seatReason,
  type Wanted,
} from './lifecycle.ts';
import type { Observed } from './provider.ts';

const policy = defaultPolicy;
const WANTED: readonly Wanted[] = ['running', 'restart', 'reset', 'parked', 'gone'];
const SEEN: readonly Observed[] = [
  { state: 'absent' },
  { state: 'starting' },
  { state: 'running', endpoint: { kind: 'tcp', host: '127.0.0.1' } },
  { state: 'exited', code: 137, reason: 'killed' },
  { state: 'lost', reason: 'The worker does not answer.' },
];
const [absent, starting, running, exited, lost] = SEEN as [Observed, Observed, Observed, Observed, Observed];
const FAILURES: readonly (SeatFailure | undefined)[] = [
  undefined,
  ...(['capacity', 'unreachable', 'rejected', 'exited', 'start_deadline'] as const).map((kind) => ({
    kind,
    message: `It is ${kind}.`,
  })),
];
const AGES: readonly (number | undefined)[] = [undefined, 0, 499, 10_000, 59_999, 60_000, 10_000_000];

const quiet: SeatSituation = {
  wanted: 'running',
  seen: absent,
  attempts: 0,
  sinceEnsureMs: undefined,
  lastFailure: undefined,
  sinceFailureMs: undefined,
  claimed: false,
};
const step = (changes: Partial<SeatSituation>): Step => nextStep({ ...quiet, ...changes }, policy);
const failed = (kind: SeatFailure['kind'], sinceFailureMs: number) => ({
  lastFailure: { kind, message: `It is ${kind}.` },
  sinceFailureMs,
});

function* everySituation(): Generator<SeatSituation> {
  for (const wanted of WANTED)
    for (const seen of SEEN)
      for (let attempts = 0; attempts <= policy.maxAttempts + 1; attempts++)
        for (const sinceEnsureMs of AGES)
          for (const lastFailure of FAILURES)
            for (const sinceFailureMs of lastFailure ? AGES : [undefined])
              for (const claimed of [false, true])
                yield { wanted, seen, attempts, sinceEnsureMs, lastFailure, sinceFailureMs, claimed };
}

describe('the next step of a seat', () => {
  test('in every situation exists, and waits are positive', () => {
    let count = 0;
    for (const situation of everySituation()) {
      const next = nextStep(situation, policy);
      count += 1;
      if (next.do === 'wait') assert.ok(next.ms > 0, JSON.stringify({ situation, next }));
      if (next.do === 'give-up') assert.ok(next.reason.length > 0);
    }
    assert.ok(count > 10_000);
  });

  test('never starts a seat that is not wanted running', () => {
    for (const situation of everySituation()) {
      if (situation.wanted === 'running') continue;
      assert.notEqual(nextStep(situation, policy).do, 'ensure', JSON.stringify(situation));
    }
  });

  test('destroys files only for a reset or a seat that is to go', () => {
    for (const situation of everySituation()) {
      const next = nextStep(situation, policy);
      if (next.do === 'destroy') assert.ok(situation.wanted === 'reset' || situation.wanted === 'gone');
    }
  });

  test('never touches a seat that runs as wanted', () => {
    for (const situation of everySituation()) {
      if (situation.wanted !== 'running' || situation.seen.state !== 'running') continue;
      assert.ok(['nothing', 'wait', 'settle'].includes(nextStep(situation, policy).do));
    }
  });

  test('never asks for a start while one is under way, nor past the last attempt', () => {
    for (const situation of everySituation()) {
      if (nextStep(situation, policy).do !== 'ensure') continue;
      assert.equal(situation.sinceEnsureMs, undefined);
      assert.ok(situation.attempts < policy.maxAttempts);
      assert.notEqual(situation.lastFailure?.kind, 'rejected');
    }
  });

  test('gives up only a seat that is wanted and does not run', () => {
    for (const situation of everySituation()) {
      if (nextStep(situation, policy).do !== 'give-up') continue;
      assert.equal(situation.wanted, 'running');
      assert.notEqual(situation.seen.state, 'running');
      assert.equal(seatPhase(situation, policy), 'failed');
      assert.notEqual(seatReason(situation, policy), '');
    }
  });

  test('starts a wanted seat that is absent, and waits for it until its deadline', () => {
    assert.deepEqual(step({}), { do: 'ensure' });
    assert.deepEqual(step({ seen: starting, attempts: 1, sinceEnsureMs: 10_000 }), {
      do: 'wait',
      ms: 50_000,
    });
  });

  test('stops a seat that passed its deadline, then starts it again', () => {
    const late = step({ seen: starting, attempts: 1, sinceEnsureMs: 60_000 });
    assert.equal(late.do === 'record-failure' && late.failure.kind, 'start_deadline');
    assert.deepEqual(step({ seen: starting, attempts: 1, ...failed('start_deadline', 0) }), {
      do: 'stop',
      next: 'running',
    });
    assert.deepEqual(step({ attempts: 1, ...failed('start_deadline', 100) }), { do: 'wait', ms: 400 });
    assert.deepEqual(step({ attempts: 1, ...failed('start_deadline', 500) }), { do: 'ensure' });
  });

  test('stops a hanging seat before it gives it up', () => {
    const last = { attempts: policy.maxAttempts, ...failed('start_deadline', 0) };
    assert.deepEqual(step({ seen: starting, ...last }), { do: 'stop', next: 'running' });
    assert.equal(step(last).do, 'give-up');
  });

  test('brings a seat that died back at once, and with growing pauses when it goes on dying', () => {
    assert.deepEqual(step({ seen: exited }), { do: 'ensure' });
    const again = step({ seen: exited, attempts: 1, sinceEnsureMs: 50 });
    assert.deepEqual(again, {
      do: 'record-failure',
      failure: { kind: 'exited', message: 'The seat ended with code 137: killed.' },
    });
    let pauseMs = 0;
    for (let attempts = 1; attempts < policy.maxAttempts; attempts++) {
      const next = step({ seen: exited, attempts, ...failed('exited', 0) });
      assert.ok(next.do === 'wait' && next.ms > pauseMs);
      pauseMs = next.ms;
    }
    assert.equal(step({ seen: exited, attempts: policy.maxAttempts, ...failed('exited', 0) }).do, 'give-up');
  });

  test('gives a rejected seat up at once', () => {
    assert.deepEqual(step({ attempts: 1, ...failed('rejected', 0) }), {
      do: 'give-up',
      reason: 'It is rejected.',
    });
  });

  test('tries again when the platform was full or did not answer, and gives up in the end', () => {
    for (const kind of ['capacity', 'unreachable'] as const) {
      assert.deepEqual(step({ attempts: 1, ...failed(kind, 200) }), { do: 'wait', ms: 300 });
      assert.deepEqual(step({ attempts: 1, ...failed(kind, 500) }), { do: 'ensure' });
      const end = step({ attempts: policy.maxAttempts, ...failed(kind, 1e9) });
      assert.ok(end.do === 'give-up' && end.reason.includes(`It is ${kind}.`));
    }
  });

  test('forgets the attempts of a seat that has run steadily', () => {
    assert.deepEqual(step({ seen: running }), { do: 'nothing' });
    assert.deepEqual(step({ seen: running, attempts: 2, sinceEnsureMs: 4_000 }), { do: 'wait', ms: 6_000 });
    assert.deepEqual(step({ seen: running, attempts: 2, sinceEnsureMs: 10_000 }), { do: 'settle' });
    assert.deepEqual(step({ seen: running, attempts: 2, ...failed('unreachable', 9_000) }), {
      do: 'wait',
      ms: 1_000,
    });
  });

  test('gives a running seat that stopped answering a deadline', () => {
    assert.deepEqual(step({ seen: starting }), { do: 'ensure' });
  });

  test('restart and reset are done once: then the seat is wanted running', () => {
    for (const seen of SEEN) {
      assert.deepEqual(step({ wanted: 'restart', seen }), { do: 'stop', next: 'running' });
      assert.deepEqual(step({ wanted: 'reset', seen }), { do: 'destroy', next: 'running' });
    }
  });

  test('a seat that is out of sight is neither started nor given up, however long and after whatever failures', () => {
    assert.deepEqual(step({ seen: lost }), { do: 'nothing' });
    assert.deepEqual(step({ seen: lost, attempts: 5, sinceEnsureMs: 1e9, ...failed('rejected', 0) }), {
      do: 'nothing',
    });
  });

  test('a parked seat is stopped until nothing of it runs', () => {
    for (const seen of [starting, running, exited, lost])
      assert.deepEqual(step({ wanted: 'parked', seen }), { do: 'stop', next: 'parked' });
    assert.deepEqual(step({ wanted: 'parked' }), { do: 'nothing' });
  });

  test('a seat that is to go is destroyed also when nothing runs, for its files may be kept', () => {
    for (const seen of SEEN)
      assert.deepEqual(step({ wanted: 'gone', seen }), { do: 'destroy', next: 'forgotten' });
  });

  test('a stop or destroy that failed is tried again for ever', () => {
    for (const wanted of ['restart', 'reset', 'parked', 'gone'] as const) {
      for (const kind of ['capacity', 'unreachable', 'rejected'] as const) {
        assert.deepEqual(step({ wanted, seen: running, attempts: 99, ...failed(kind, 500) }), {
          do: 'wait',
          ms: 1_500,
        });
        const next = step({ wanted, seen: running, attempts: 99, ...failed(kind, 2_000) });
        assert.ok(next.do === 'stop' || next.do === 'destroy');
      }
    }
  });
});

/** A row and a platform, driven by nothing but the steps: what the reconciler does, without its I/O. */
function simulate(options: { wanted: Wanted; seen: Observed; ensure(call: number): Observed | SeatFailure }) {
  let now = 0;
  let { wanted, seen } = options;
  let row: { attempts: number; ensuredAt?: number; failure?: SeatFailure; failedAt?: number } = {
    attempts: 0,
  };
  let calls = 0;
  const log: string[] = [];
  const situation = (): SeatSituation => ({
    wanted,
    seen,
    attempts: row.attempts,
    sinceEnsureMs: row.ensuredAt === undefined ? undefined : now - row.ensuredAt,
    lastFailure: row.failure,
    sinceFailureMs: row.failedAt === undefined ? undefined : now - row.failedAt,
    claimed: false,
  });
  for (let i = 0; i < 200; i++) {
    const next = nextStep(situation(), policy);
    log.push(next.do);
    if (next.do === 'nothing' && seen.state === 'lost') {
      // After a stated time the provider gives up what it cannot see.
      seen = absent;
      continue;
    }
    if (next.do === 'nothing' || next.do === 'give-up') break;
    if (next.do === 'wait') now += next.ms;
    if (next.do === 'settle') row = { attempts: 0 };
    if (next.do === 'record-failure') row = { attempts: row.attempts, failure: next.failure, failedAt: now };
    if (next.do === 'ensure') {
      row = { ...row, attempts: row.attempts + 1, ensuredAt: now };
      const result = options.ensure(calls++);
      if ('state' in result) seen = result;
      else row = { attempts: row.attempts, failure: result, failedAt: now };
    }
    if (next.do === 'stop' || next.do === 'destroy') {
      seen = absent;
      if (next.next === 'forgotten') break;
      if (next.next !== wanted) row = { attempts: 0 };
      wanted = next.next;
    }
  }
  return { log, seen, wanted, calls, phase: seatPhase(situation(), policy) };
}

describe('step after step', () => {
  test('every wanted state is reached from every seen state, however the first starts fail', () => {
    for (const wanted of WANTED)
      for (const seen of SEEN)
        for (const trouble of [...SEEN, ...FAILURES.filter((failure) => failure !== undefined)])
          for (let failures = 0; failures < policy.maxAttempts - 1; failures++) {
            if ('kind' in trouble && trouble.kind === 'rejected') continue;
            const end = simulate({ wanted, seen, ensure: (call) => (call < failures ? trouble : running) });
            const last = end.log.at(-1);
            if (wanted === 'gone') assert.equal(last, 'destroy');
            else {
              assert.equal(last, 'nothing', `${wanted} ${seen.state} ${JSON.stringify(trouble)}: ${end.log}`);
              assert.equal(end.phase, wanted === 'parked' ? 'off' : 'ready');
            }
          }
  });

  test('a seat that never comes up is given up after the allowed starts, with nothing left running', () => {
    for (const trouble of [
      ...SEEN.slice(0, 2),
      exited,
      ...FAILURES.filter((failure) => failure !== undefined),
    ]) {
      const end = simulate({ wanted: 'reset', seen: running, ensure: () => trouble });
      assert.equal(end.log.at(-1), 'give-up');
      const rejected = 'kind' in trouble && trouble.kind === 'rejected';
      assert.equal(end.calls, rejected ? 1 : policy.maxAttempts);
      assert.notEqual(end.seen.state, 'starting');
      assert.equal(end.phase, 'failed');
    }
  });
});

describe('the phase that people see', () => {
  const phase = (changes: Partial<SeatSituation>) => seatPhase({ ...quiet, ...changes }, policy);
  const reason = (changes: Partial<SeatSituation>) => seatReason({ ...quiet, ...changes }, policy);

  test('follows what is wanted and what is seen', () => {
    assert.equal(phase({}), 'waiting');
    assert.equal(phase({ attempts: 1, sinceEnsureMs: 0 }), 'starting');
    assert.equal(phase({ seen: starting, attempts: 1, sinceEnsureMs: 0 }), 'starting');
    assert.equal(phase({ seen: running }), 'ready');
    assert.equal(phase({ seen: running, claimed: true }), 'occupied');
    assert.equal(phase({ seen: exited, claimed: true }), 'restarting');
    assert.equal(phase({ wanted: 'restart', seen: running }), 'restarting');
    assert.equal(phase({ wanted: 'reset', seen: running }), 'resetting');
    assert.equal(phase({ wanted: 'parked', seen: running }), 'stopping');
    assert.equal(phase({ wanted: 'parked' }), 'off');
    assert.equal(phase({ seen: lost, claimed: true }), 'lost');
    assert.equal(phase({ wanted: 'gone', seen: lost }), 'stopping');
    assert.equal(phase({ wanted: 'gone' }), 'stopping');
    assert.equal(phase({ attempts: 5, ...failed('unreachable', 0) }), 'failed');
  });

  test('is not failed while the last allowed start is under way', () => {
    assert.equal(
      phase({ seen: starting, attempts: 5, sinceEnsureMs: 10, ...failed('exited', 900) }),
      'starting',
    );
  });

  test('has a reason exactly when something is wrong', () => {
    assert.equal(reason({ seen: running, ...failed('exited', 0) }), '');
    assert.equal(reason({ seen: starting, attempts: 1, sinceEnsureMs: 0 }), '');
    assert.equal(reason({ seen: lost, ...failed('capacity', 0) }), 'The worker does not answer.');
    assert.match(reason({ seen: exited }), /code 137: killed.*started again/);
    assert.match(reason({ attempts: 1, ...failed('capacity', 0) }), /^It is capacity\..*tried again/);
    assert.match(reason({ attempts: 5, ...failed('capacity', 0) }), /5 tries.*restart it/);
  });
});
