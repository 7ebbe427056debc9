import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seatName, type WorkshopId } from '@clarateach/contract/ids';
import { ProviderError } from '@clarateach/seats/provider';
import { eachDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, eventually, insertOwner } from '../testing/control-plane.ts';
import { openHomes } from './homes.ts';
import { retrySeats, touchSeatsOf, workerOf } from './placement.ts';
import { seatsOnWorkers } from './seats-on-workers.ts';
import { type TestWorker, testWorker } from './testing.ts';
import type { WorkerState } from './worker.ts';

const MOVE_AFTER_MS = 60_000;

eachDatabase('seats on workers', (open) => {
  /** A control plane over two workers, with a workshop of one seat that runs on the first. */
  const scene = async (
    run: (scene: {
      plane: ControlPlane;
      database: Awaited<ReturnType<typeof open>>['database'];
      owner: string;
      one: TestWorker;
      two: TestWorker;
      id: WorkshopId;
      pass(ms: number): Promise<void>;
      seat(): Promise<{ phase: string; reason: string; movesAt: string | null }>;
      is(phase: string): Promise<unknown>;
      /** What the heartbeat of a worker that does not answer, or does again, comes to. */
      enter(worker: TestWorker, state: WorkerState): Promise<void>;
    }) => Promise<void>,
  ) => {
    const opened = await open();
    const { database } = opened;
    const clock = { ms: 0 };
    const now = () => Date.now() + clock.ms;
    const one = testWorker({ address: 'http://10.0.0.1:9090', now });
    const two = testWorker({ address: 'http://10.0.0.2:9090', now, capacity: 0 });
    const workers = [one, two];
    const provider = seatsOnWorkers({
      database,
      runtime: 'local',
      workers,
      homes: openHomes(database, workers),
      moveAfterMs: MOVE_AFTER_MS,
      now,
      onEnsured: () => {},
      beforeDestroy: async () => {},
    });
    const plane = await controlPlane({ database, provider, now });
    const owner = await insertOwner(database, 'owner');
    plane.start();
    try {
      const { id } = await plane.workshops.create(owner, { name: 'Shells', seats: 1, start: true });
      const seat = async () => {
        const [view] = (await plane.workshops.show(owner, id)).seats;
        assert.ok(view);
        return view;
      };
      const look = async () => {
        for (const { address } of workers) await touchSeatsOf(database, address);
        plane.changes.notify(id);
      };
      const is = (phase: string) => eventually(async () => (await seat()).phase === phase, 15_000);
      await is('ready');
      assert.equal(one.seats.starts({ workshop: id, seat: 1 }), 1);
      await run({
        plane,
        database,
        owner,
        one,
        two,
        id,
        seat,
        is,
        async pass(ms) {
          clock.ms += ms;
          await look();
        },
        async enter(worker, state) {
          worker.enter(state);
          const named = workers.map(({ address }) => address);
          if (state === 'up') await retrySeats(database, worker.address, named);
          await look();
        },
      });
    } finally {
      await plane.close();
      await opened.close();
    }
  };
  const placeOf = (id: WorkshopId) => ({ workshop: id, seat: 1 });

  test('stay with a worker that is away for long while no other has room, and come back with their files', async () => {
    await scene(async ({ one, two, id, seat, is, pass, enter }) => {
      await enter(one, 'down');
      one.seats.kill(placeOf(id));
      await is('lost');
      assert.notEqual((await seat()).movesAt, null);
      await pass(10 * MOVE_AFTER_MS);
      await eventually(async () => /no other worker has room for it/.test((await seat()).reason), 10_000);
      assert.deepEqual([(await seat()).phase, (await seat()).movesAt], ['lost', null]);
      await enter(one, 'up');
      await is('ready');
      assert.deepEqual(
        [one.seats.starts(placeOf(id)), two.seats.calls.length, (await seat()).reason],
        [2, 0, ''],
      );
    });
  });

  test('go to the first worker that has room, once theirs is given up', async () => {
    await scene(async ({ plane, owner, database, one, two, id, seat, is, pass, enter }) => {
      await enter(one, 'down');
      await pass(MOVE_AFTER_MS);
      await eventually(async () => /no other worker has room/.test((await seat()).reason), 10_000);
      two.capacity = 1;
      await pass(0);
      await is('ready');
      assert.equal(await workerOf(database, placeOf(id)), two.address);
      assert.match((await seat()).reason, /files that were on it are gone/);
      // What is as new has lost nothing.
      await plane.workshops.resetSeat(owner, id, 1);
      await eventually(async () => {
        const { phase, reason } = await seat();
        return phase === 'ready' && reason === '';
      });
    });
  });

  test('are where they were when the worker they were to go to refuses them', async () => {
    await scene(async ({ database, one, two, id, is, pass, enter }) => {
      two.seats.fail('ensure', new ProviderError('capacity', 'The disk is full.'), 1_000);
      await enter(one, 'down');
      two.capacity = 1;
      await pass(MOVE_AFTER_MS);
      await eventually(() => two.seats.calls.length > 1, 10_000);
      two.capacity = 0;
      await is('lost');
      assert.equal(await workerOf(database, placeOf(id)), one.address);
      await enter(one, 'up');
      await is('ready');
      assert.deepEqual([one.seats.starts(placeOf(id)), one.seats.files.size], [1, 1]);
    });
  });

  test('are not moved off a worker that answers and refuses this server', async () => {
    await scene(async ({ database, one, two, id, seat, is, pass, enter }) => {
      two.capacity = 1;
      await enter(one, 'refused');
      await is('lost');
      await pass(10 * MOVE_AFTER_MS);
      assert.deepEqual([(await seat()).phase, (await seat()).movesAt], ['lost', null]);
      assert.match((await seat()).reason, /left as it is, and brought up nowhere else/);
      await enter(one, 'up');
      await is('ready');
      assert.equal(await workerOf(database, placeOf(id)), one.address);
      assert.equal(two.seats.calls.length, 0);
    });
  });

  test('are left alone while their worker runs seats in another runtime', async () => {
    await scene(async ({ plane, database, owner, one, two, id, seat, is, pass }) => {
      two.capacity = 1;
      one.runtime = 'docker';
      await pass(10 * MOVE_AFTER_MS);
      await is('lost');
      assert.match((await seat()).reason, /10\.0\.0\.1:9090 runs seats in docker now.*RUNTIME=local/);
      const calls = one.seats.calls.length;
      await plane.workshops.restartSeat(owner, id, 1);
      await eventually(async () => /runs seats in docker now/.test((await seat()).reason));
      await plane.workshops.stop(owner, id);
      await eventually(async () => /runs seats in docker now/.test((await seat()).reason));
      assert.deepEqual([one.seats.calls.length, two.seats.calls.length], [calls, 0]);
      assert.equal(await workerOf(database, placeOf(id)), one.address);

      one.runtime = 'local';
      await eventually(() => one.seats.files.size === 0, 10_000);
    });
  });

  test('that were not placed yet are tried afresh when a worker answers', async () => {
    await scene(async ({ plane, owner, one, id, seat, is, pass, enter }) => {
      await plane.workshops.stop(owner, id);
      await eventually(async () => (await plane.workshops.show(owner, id)).phase === 'stopped');
      await enter(one, 'down');
      await plane.workshops.start(owner, id);
      const hurry = setInterval(() => void pass(2_000), 20);
      await is('failed').finally(() => clearInterval(hurry));
      assert.match((await seat()).reason, /did not come up in 5 tries\. All workers are full/);
      await enter(one, 'up');
      await is('ready');
      assert.ok(one.seats.files.has(seatName(placeOf(id))));
    });
  });
});
