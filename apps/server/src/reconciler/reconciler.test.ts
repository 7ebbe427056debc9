import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeatId, WorkshopId } from '@clarateach/contract/ids';
import { ProviderError } from '@clarateach/seats/provider';
import {
  crashingProvider,
  type DoubleProvider,
  fullProvider,
  instantProvider,
  neverProvider,
  slowProvider,
} from '@clarateach/seats/providers/doubles';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, eventually, insertOwner } from '../testing/control-plane.ts';

const MINUTE_MS = 60_000;

eachDatabase('the reconciler', (open, kind) => {
  /** A running control plane over a provider; ends with the test and leaves no seat behind. */
  const scene = async (
    provider: DoubleProvider,
    run: (scene: {
      plane: ControlPlane;
      owner: string;
      opened: TestDatabase;
      clock: { ms: number };
      create(seats: number): Promise<WorkshopId>;
      phases(id: WorkshopId): Promise<string[]>;
    }) => Promise<void>,
  ) => {
    const opened = await open();
    const clock = { ms: 0 };
    const plane = await controlPlane({
      database: opened.database,
      provider,
      now: () => Date.now() + clock.ms,
    });
    const owner = await insertOwner(opened.database, 'owner');
    try {
      plane.start();
      await run({
        plane,
        owner,
        opened,
        clock,
        create: async (seats) =>
          (await plane.workshops.create(owner, { name: 'Shells', seats, start: true })).id,
        phases: async (id) => (await plane.workshops.show(owner, id)).seats.map((seat) => seat.phase),
      });
    } finally {
      await plane.close();
      await opened.close();
    }
  };

  const all = (count: number, phase: string) => Array.from({ length: count }, () => phase).join();

  test('a started workshop gets all its seats; a stopped one keeps none', async () => {
    const provider = instantProvider();
    await scene(provider, async ({ plane, owner, create, phases }) => {
      const id = await create(5);
      await eventually(async () => (await phases(id)).join() === all(5, 'ready'));
      const endpoint = await eventually(() => plane.routes.find({ workshop: id, seat: 3 })?.endpoint);
      assert.equal(endpoint.kind, 'unix');
      await plane.workshops.stop(owner, id);
      await eventually(async () => (await plane.workshops.show(owner, id)).phase === 'stopped');
      assert.deepEqual(await provider.list(AbortSignal.timeout(1_000)), []);
      assert.deepEqual(plane.errors, []);
    });
  });

  test('a deleted workshop is gone with its seats', async () => {
    const provider = instantProvider();
    await scene(provider, async ({ plane, owner, create, phases }) => {
      const id = await create(2);
      await eventually(async () => (await phases(id)).join() === all(2, 'ready'));
      await plane.workshops.delete(owner, id);
      await eventually(async () => (await plane.workshops.list(owner)).length === 0);
      assert.deepEqual(await provider.list(AbortSignal.timeout(1_000)), []);
    });
  });

  test('a seat that dies comes back with its files and its learner', async () => {
    const provider = instantProvider();
    await scene(provider, async ({ plane, create, owner, phases }) => {
      const id = await create(1);
      await eventually(async () => (await phases(id)).join() === 'ready');
      const seat: SeatId = { workshop: id, seat: 1 };
      const { code } = await plane.workshops.show(owner, id);
      const ada = await plane.join.join({ code, name: 'Ada' });
      provider.kill(seat, 137);
      await eventually(() => provider.starts(seat) === 2, 10_000);
      await eventually(async () => (await phases(id)).join() === 'occupied');
      assert.equal((await plane.join.claimOf(id, ada.odehash))?.seat, 1);
    });
  });

  test('a restarted seat is stopped and started, a reset one is emptied; the learner stays in both', async () => {
    const provider = instantProvider();
    await scene(provider, async ({ plane, create, owner, phases }) => {
      const id = await create(1);
      const seat: SeatId = { workshop: id, seat: 1 };
      await eventually(async () => (await phases(id)).join() === 'ready');
      const { code } = await plane.workshops.show(owner, id);
      await plane.join.join({ code, name: 'Ada' });
      await plane.workshops.restartSeat(owner, id, 1);
      await eventually(() => provider.starts(seat) === 2);
      await eventually(async () => (await phases(id)).join() === 'occupied');
      await plane.workshops.resetSeat(owner, id, 1);
      await eventually(async () => (await phases(id)).join() === 'occupied' && provider.starts(seat) >= 1);
      const verbs = provider.calls.map(({ verb }) => verb);
      assert.deepEqual(verbs, ['ensure', 'stop', 'ensure', 'destroy', 'ensure']);
    });
  });

  test('a refusal is told to the instructor and tried again only when they ask', async () => {
    const provider = instantProvider();
    provider.fail('ensure', new ProviderError('rejected', 'There is no image nosuch:1. Build it first.'));
    await scene(provider, async ({ plane, create, owner }) => {
      const id = await create(1);
      const failed = await plane.workshops.settled(owner, id, AbortSignal.timeout(5_000));
      assert.deepEqual(
        [failed.phase, failed.seats[0]?.phase, failed.seats[0]?.reason],
        ['failed', 'failed', 'There is no image nosuch:1. Build it first.'],
      );
      await plane.workshops.start(owner, id);
      const ready = await plane.workshops.settled(owner, id, AbortSignal.timeout(5_000));
      assert.equal(ready.phase, 'ready');
    });
  });

  test('a seat that keeps crashing is given up after some tries, with a reason', async () => {
    const provider = crashingProvider();
    await scene(provider, async ({ plane, create, owner, clock }) => {
      const id = await create(1);
      const hurry = setInterval(() => {
        clock.ms += 2_000;
      }, 20);
      const failed = await plane.workshops
        .settled(owner, id, AbortSignal.timeout(10_000))
        .finally(() => clearInterval(hurry));
      assert.equal(failed.seats[0]?.phase, 'failed');
      assert.match(failed.seats[0]?.reason ?? '', /did not come up in 5 tries/);
    });
  });

  test('a seat that never answers is stopped and tried again, and given up in the end', async () => {
    const provider = neverProvider();
    await scene(provider, async ({ plane, create, owner, clock }) => {
      const id = await create(1);
      const hurry = setInterval(() => {
        clock.ms += 30_000;
      }, 20);
      const failed = await plane.workshops
        .settled(owner, id, AbortSignal.timeout(10_000))
        .finally(() => clearInterval(hurry));
      assert.equal(failed.seats[0]?.phase, 'failed');
      assert.match(failed.seats[0]?.reason ?? '', /did not answer within 60 s/);
    });
  });

  test('a seat that waited long for its turn has the whole time to start in', async () => {
    let wait = () => {};
    const provider = slowProvider({
      startMs: 200,
      latency: async (verb) => {
        if (verb === 'ensure') wait();
      },
    });
    await scene(provider, async ({ create, phases, clock }) => {
      wait = () => {
        clock.ms += 2 * MINUTE_MS;
      };
      const id = await create(1);
      await eventually(async () => (await phases(id)).join() === 'ready');
      assert.deepEqual(
        provider.calls.map(({ verb }) => verb),
        ['ensure'],
      );
    });
  });

  test('seats that find no room wait their turn, and the others work', async () => {
    const provider = fullProvider({ room: 2 });
    await scene(provider, async ({ create, phases }) => {
      const id = await create(3);
      await eventually(async () => (await phases(id)).filter((phase) => phase === 'ready').length === 2);
      assert.notEqual((await phases(id))[2] === undefined, true);
    });
  });

  test('a workshop stops by itself when its time is up, unless it was given more', async () => {
    const provider = instantProvider();
    await scene(provider, async ({ plane, create, owner, clock, phases }) => {
      const id = await create(1);
      await eventually(async () => (await phases(id)).join() === 'ready');
      await plane.workshops.extend(owner, id, 60);
      clock.ms += 250 * MINUTE_MS;
      await plane.workshops.extend(owner, id, 1);
      assert.equal((await plane.workshops.show(owner, id)).phase, 'ready');
      clock.ms += 60 * MINUTE_MS;
      await eventually(async () => (await plane.workshops.show(owner, id)).phase === 'stopped');
      assert.deepEqual(await provider.list(AbortSignal.timeout(1_000)), []);
    });
  });

  test('seats that nobody wants are removed', async () => {
    const provider = instantProvider();
    const orphan: SeatId = { workshop: 'ws-orphan00' as WorkshopId, seat: 1 };
    await provider.ensure(
      { id: orphan, env: {}, limits: { memoryMiB: 1, cpus: 1, processes: 1, openFiles: 1 } },
      AbortSignal.timeout(1_000),
    );
    await scene(provider, async () => {
      await eventually(async () => (await provider.list(AbortSignal.timeout(1_000))).length === 0);
    });
  });

  test('a removal that takes long holds up nobody but the seat itself', async () => {
    const gate = Promise.withResolvers<void>();
    const provider = instantProvider({
      latency: (verb) => (verb === 'destroy' ? gate.promise : Promise.resolve()),
    });
    const limits = { memoryMiB: 1, cpus: 1, processes: 1, openFiles: 1 };
    await scene(provider, async ({ plane, owner, create, phases, clock }) => {
      // Open at the end in any case: a control plane that closes waits for its calls.
      const opening = setTimeout(gate.resolve, 10_000);
      const { id: left } = await plane.workshops.create(owner, { name: 'Left', seats: 1, start: false });
      const seat = { workshop: left, seat: 1 };
      await provider.ensure({ id: seat, env: {}, limits }, AbortSignal.timeout(1_000));
      clock.ms += MINUTE_MS;
      plane.changes.notify(left);
      await eventually(() => provider.calls.at(-1)?.verb === 'destroy');
      const other = await create(1);
      await plane.workshops.start(owner, left);
      await eventually(async () => (await phases(other)).join() === 'ready');
      clock.ms += MINUTE_MS;
      plane.changes.notify(left);
      await eventually(async () => (await phases(await create(1))).length === 1);
      clearTimeout(opening);
      gate.resolve();
      await eventually(async () => (await phases(left)).join() === 'ready');
      const verbs = provider.calls.filter((call) => call.seat.workshop === left).map(({ verb }) => verb);
      assert.deepEqual(verbs, ['ensure', 'destroy', 'ensure']);
      assert.deepEqual(plane.errors, []);
    });
  });

  test('what a runtime holds of a seat of another is not removed while that seat is wanted', async () => {
    const provider = instantProvider();
    const limits = { memoryMiB: 1, cpus: 1, processes: 1, openFiles: 1 };
    const ensure = (id: SeatId) => provider.ensure({ id, env: {}, limits }, AbortSignal.timeout(1_000));
    const orphan: SeatId = { workshop: 'ws-orphan00' as WorkshopId, seat: 1 };
    await scene(provider, async ({ plane, opened, create, phases, clock }) => {
      const id = await create(1);
      await eventually(async () => (await phases(id)).join() === 'ready');
      await opened.database.db
        .updateTable('workshops')
        .set({ runtime: 'docker' })
        .where('id', '=', id)
        .execute();
      await ensure(orphan);
      clock.ms += MINUTE_MS;
      plane.changes.notify(id);
      const destroyed = () => provider.calls.filter(({ verb }) => verb === 'destroy').map(({ seat }) => seat);
      await eventually(() => destroyed().some(({ workshop }) => workshop === orphan.workshop));
      assert.deepEqual(destroyed(), [orphan]);
    });
  });

  test('a reconciler that ends half-way is continued by the next, and no seat is started twice', async () => {
    const provider = instantProvider();
    await scene(provider, async ({ plane, create, phases }) => {
      const id = await create(8);
      await plane.restart();
      await eventually(async () => (await phases(id)).join() === all(8, 'ready'));
      for (let seat = 1; seat <= 8; seat++) assert.equal(provider.starts({ workshop: id, seat }), 1);
    });
  });

  // Two servers never share a SQLite file: the second does not start.
  if (kind === 'postgresql') {
    test('two servers on one database share the work and start each seat once', async () => {
      const provider = instantProvider();
      await scene(provider, async ({ opened, create, phases }) => {
        const second = await controlPlane({ database: opened.again(), provider, server: 'server-2' });
        second.start();
        const ids = await Promise.all([create(4), create(4), create(4)]);
        for (const id of ids) await eventually(async () => (await phases(id)).join() === all(4, 'ready'));
        for (const id of ids) {
          for (let seat = 1; seat <= 4; seat++) assert.equal(provider.starts({ workshop: id, seat }), 1);
        }
        await second.close();
        assert.deepEqual(second.errors, []);
      });
    });
  }
});
