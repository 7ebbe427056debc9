import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import {
  type DirectEndpoint,
  FILES_PORT,
  HEALTH_PATH,
  type SeatEndpoint,
  TERMINAL_PORT,
} from '@clarateach/contract/seat-server';
import type { Observed, SeatProvider, SeatSpec } from './provider.ts';
import { askSeat, inTerminal } from './seat-client.ts';

/** One installation of a provider, to be tested and then removed. */
export interface ConformanceSubject {
  readonly provider: SeatProvider;
  /** Another provider over the same state, as a server that starts after a crash makes it. */
  again(): Promise<SeatProvider>;
  /** The spec of seat `n`; equal for equal `n`. Its env is added to. */
  spec(n: number): SeatSpec;
  /** The seat dies at once, behind the provider's back; its files stay. */
  kill(seat: SeatId): Promise<void>;
  /** Where tests reach a seat whose endpoint is on another machine; equal for equal endpoints. */
  reach?(endpoint: SeatEndpoint): Promise<DirectEndpoint>;
  /** Names of all that is left of the installation: containers, networks, volumes, processes, files. */
  leftovers(): Promise<string[]>;
  /** Removes the installation itself; called after the last test, also when tests failed. */
  cleanup(): Promise<void>;
}

export interface ConformanceOptions {
  make(): Promise<ConformanceSubject>;
  /** Why this machine cannot run the provider: printed as NOT RUN, and a failure where CI is `true`. */
  readonly skip?: string | undefined;
  /** How long a seat may take to run, ms. */
  readonly startDeadlineMs?: number;
}

const SECRET_NAME = 'CONFORMANCE_SECRET';
const SECRET = 'sk-conformance-5d1f0c';

/** Registers the tests that every provider passes. */
export function seatProviderConformance(name: string, options: ConformanceOptions): void {
  if (options.skip !== undefined) {
    registerNotRun(name, options.skip);
    return;
  }
  const { startDeadlineMs = 60_000 } = options;
  const signal = new AbortController().signal;

  describe(`${name} as a seat provider`, { concurrency: false, timeout: 10 * startDeadlineMs }, () => {
    let subject: ConformanceSubject;
    let provider: SeatProvider;
    const spec = (n: number): SeatSpec => {
      const own = subject.spec(n);
      return { ...own, env: { ...own.env, [SECRET_NAME]: SECRET } };
    };
    const id = (n: number): SeatId => subject.spec(n).id;

    before(async () => {
      subject = await options.make();
      provider = subject.provider;
    });
    after(async () => {
      await subject?.cleanup();
    });

    async function reached<S extends Observed['state']>(
      seat: SeatId,
      ...states: S[]
    ): Promise<Extract<Observed, { state: S }>> {
      const deadline = performance.now() + startDeadlineMs;
      for (;;) {
        const seen = await provider.observe(seat, signal);
        if (states.some((state) => state === seen.state)) return seen as Extract<Observed, { state: S }>;
        assert.ok(
          performance.now() < deadline,
          `${seatName(seat)} is ${JSON.stringify(seen)}, not ${states.join(' or ')}`,
        );
        await pause(10);
      }
    }

    async function run(n: number): Promise<DirectEndpoint> {
      await provider.ensure(spec(n), signal);
      const seen = await reached(id(n), 'running', 'exited');
      assert.ok(seen.state === 'running', JSON.stringify(seen));
      return direct(seen.endpoint);
    }

    async function direct(endpoint: SeatEndpoint): Promise<DirectEndpoint> {
      if (subject.reach) return subject.reach(endpoint);
      assert.ok(endpoint.kind !== 'agent');
      return endpoint;
    }

    const listed = async (): Promise<string[]> => (await provider.list(signal)).map(seatName);

    test('an unknown seat is absent, and stopped and destroyed already', async () => {
      assert.deepEqual(await provider.observe(id(99), signal), { state: 'absent' });
      await provider.stop(id(99), signal);
      await provider.destroy(id(99), signal);
      assert.deepEqual(await listed(), []);
    });

    test('ensure asks for a seat, which starts and then answers', async () => {
      await provider.ensure(spec(1), signal);
      assert.ok(['starting', 'running'].includes((await provider.observe(id(1), signal)).state));
      const { endpoint } = await reached(id(1), 'running');
      assert.equal((await askSeat(await direct(endpoint), TERMINAL_PORT, { path: HEALTH_PATH })).status, 200);
      assert.deepEqual(await listed(), [seatName(id(1))]);
    });

    test('ensure twice is once: the learner’s shell stays the same', async () => {
      const endpoint = await run(1);
      const before = await inTerminal(endpoint, 'echo $$', startDeadlineMs);
      assert.match(before, /^\d+$/);
      assert.deepEqual(await run(1), endpoint);
      assert.equal(await inTerminal(endpoint, 'echo $$', startDeadlineMs), before);
    });

    test('the environment reaches the learner’s shell and no process list', async () => {
      const endpoint = await run(1);
      assert.equal(await inTerminal(endpoint, `echo $${SECRET_NAME}`, startDeadlineMs), SECRET);
      assert.deepEqual(await processesNaming(SECRET), []);
    });

    test('a new provider over the same state finds the seats that run', async () => {
      const endpoint = await run(1);
      const shell = await inTerminal(endpoint, 'echo $$', startDeadlineMs);
      const other = await subject.again();
      try {
        assert.deepEqual((await other.list(signal)).map(seatName), [seatName(id(1))]);
        const seen = await other.observe(id(1), signal);
        assert.ok(seen.state === 'running', JSON.stringify(seen));
        await other.ensure(spec(1), signal);
        assert.equal(await inTerminal(await direct(seen.endpoint), 'echo $$', startDeadlineMs), shell);
      } finally {
        await other.close();
      }
    });

    test('stop ends the seat and keeps its files, and ensure brings it back with them', async () => {
      await writeSeatFile(await run(1), 'kept/notes.txt', 'still here');
      await provider.stop(id(1), signal);
      assert.deepEqual(await provider.observe(id(1), signal), { state: 'absent' });
      assert.deepEqual(await listed(), [seatName(id(1))]);
      await provider.stop(id(1), signal);
      assert.equal(await readSeatFile(await run(1), 'kept/notes.txt'), 'still here');
    });

    test('a seat that died is seen to have, and comes back with its files', async () => {
      await writeSeatFile(await run(1), 'before-death.txt', 'survived');
      await subject.kill(id(1));
      await reached(id(1), 'exited', 'absent');
      assert.deepEqual(await listed(), [seatName(id(1))]);
      assert.equal(await readSeatFile(await run(1), 'before-death.txt'), 'survived');
    });

    test('destroy leaves nothing, and the next seat of that name is blank', async () => {
      await writeSeatFile(await run(1), 'secret.txt', 'of the last learner');
      await provider.destroy(id(1), signal);
      assert.deepEqual(await provider.observe(id(1), signal), { state: 'absent' });
      assert.deepEqual(await listed(), []);
      assert.deepEqual(await subject.leftovers(), []);
      await provider.destroy(id(1), signal);
      assert.equal(await readSeatFile(await run(1), 'secret.txt'), undefined);
      await provider.destroy(id(1), signal);
    });

    test('a stopped seat can be destroyed, files and all', async () => {
      await writeSeatFile(await run(2), 'file.txt', 'x');
      await provider.stop(id(2), signal);
      await provider.destroy(id(2), signal);
      assert.deepEqual(await listed(), []);
      assert.deepEqual(await subject.leftovers(), []);
    });

    test('five seats at once are five seats', async () => {
      const numbers = [3, 4, 5, 6, 7];
      const endpoints = await Promise.all(numbers.map(run));
      assert.equal(new Set(endpoints.map((endpoint) => JSON.stringify(endpoint))).size, numbers.length);
      await Promise.all(
        endpoints.map((endpoint, index) => writeSeatFile(endpoint, 'who.txt', `seat ${index}`)),
      );
      const read = await Promise.all(endpoints.map((endpoint) => readSeatFile(endpoint, 'who.txt')));
      assert.deepEqual(
        read,
        numbers.map((_, index) => `seat ${index}`),
      );
      assert.deepEqual((await listed()).sort(), numbers.map((n) => seatName(id(n))).sort());
      await provider.stop(id(3), signal);
      assert.equal((await provider.observe(id(4), signal)).state, 'running');
      await Promise.all(numbers.map((n) => provider.destroy(id(n), signal)));
      assert.deepEqual(await listed(), []);
    });

    test('an aborted signal is honoured by every verb, with its own reason', async () => {
      const reason = new Error('no longer wanted');
      const aborted = AbortSignal.abort(reason);
      await assert.rejects(provider.ensure(spec(8), aborted), reason);
      await assert.rejects(provider.stop(id(8), aborted), reason);
      await assert.rejects(provider.destroy(id(8), aborted), reason);
      await assert.rejects(provider.observe(id(8), aborted), reason);
      await assert.rejects(provider.list(aborted), reason);
      assert.deepEqual(await listed(), []);
    });

    test('an ensure that is aborted half-way leaves nothing that destroy does not find', async () => {
      for (const afterMs of [0, 5, 20, 60]) {
        const reason = new Error('no longer wanted');
        const controller = new AbortController();
        const asked = provider.ensure(spec(9), controller.signal);
        const timer = setTimeout(() => controller.abort(reason), afterMs);
        await asked.catch((error: unknown) => assert.equal(error, reason));
        clearTimeout(timer);
        await provider.destroy(id(9), signal);
        assert.deepEqual(await provider.observe(id(9), signal), { state: 'absent' });
        assert.deepEqual(await subject.leftovers(), []);
      }
    });

    test('in the end nothing is left', async () => {
      for (const seat of await provider.list(signal)) await provider.destroy(seat, signal);
      await provider.close();
      assert.deepEqual(await subject.leftovers(), []);
    });
  });
}

function registerNotRun(name: string, reason: string): void {
  test(`${name} as a seat provider: NOT RUN`, (context) => {
    console.log(`NOT RUN: ${name}: ${reason}`);
    if (process.env.CI === 'true') assert.fail(`NOT RUN: ${reason}`);
    context.skip(`NOT RUN: ${reason}`);
  });
}

async function writeSeatFile(endpoint: DirectEndpoint, path: string, content: string): Promise<void> {
  const directory = path.split('/').slice(0, -1).join('/');
  if (directory !== '') {
    const made = await askSeat(endpoint, FILES_PORT, {
      method: 'POST',
      path: '/files/directory',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ path: directory }),
    });
    assert.ok(made.status < 300, `making ${directory} answered ${made.status} ${made.body}`);
  }
  const written = await askSeat(endpoint, FILES_PORT, {
    method: 'PUT',
    path: `/files/content?path=${encodeURIComponent(path)}`,
    body: content,
  });
  assert.ok(written.status < 300, `writing ${path} answered ${written.status} ${written.body}`);
}

/** The file's content; undefined when there is none. */
async function readSeatFile(endpoint: DirectEndpoint, path: string): Promise<string | undefined> {
  const read = await askSeat(endpoint, FILES_PORT, {
    path: `/files/content?path=${encodeURIComponent(path)}`,
  });
  if (read.status === 404) return undefined;
  assert.equal(read.status, 200, read.body);
  return read.body;
}

/** Processes of this machine with `text` in their arguments. */
async function processesNaming(text: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => line.includes(text)).map((line) => line.replaceAll('\0', ' ').slice(0, 200));
}
