import assert from 'node:assert/strict';
import { afterEach, beforeEach, it } from 'node:test';
import type { SeatId, WorkshopId } from '@clarateach/contract/ids';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, insertOwner } from '../testing/control-plane.ts';
import { placedSeats, placeSeat, touchSeatsOf, unplaceSeat, usedRuntimes, workerOf } from './placement.ts';

const A = { address: 'http://10.0.0.1:9090', capacity: 3 };
const B = { address: 'http://10.0.0.2:9090', capacity: 2 };

eachDatabase('the placement of seats', (open, kind) => {
  let test: TestDatabase;
  let plane: ControlPlane;
  let workshop: WorkshopId;
  const id = (seat: number): SeatId => ({ workshop, seat });

  beforeEach(async () => {
    test = await open();
    // Its loops are not started: the rows stay as they are made.
    plane = await controlPlane({ database: test.database, provider: instantProvider() });
    const owner = await insertOwner(test.database, 'owner');
    ({ id: workshop } = await plane.workshops.create(owner, { name: 'Placed', seats: 6, start: true }));
  });
  afterEach(async () => {
    await plane.close();
    await test.close();
  });

  it('fills the freest worker first, and none beyond its capacity', async () => {
    const { database } = test;
    const places: (string | undefined)[] = [];
    for (const seat of [1, 2, 3, 4, 5, 6]) places.push(await placeSeat(database, id(seat), null, [A, B]));
    assert.deepEqual(
      places,
      [A, A, B, A, B, undefined].map((worker) => worker?.address),
    );
    assert.equal(await workerOf(database, id(6)), null);
    await unplaceSeat(database, id(1), B.address);
    assert.equal(await workerOf(database, id(1)), A.address);
    await unplaceSeat(database, id(1), A.address);
    assert.equal(await placeSeat(database, id(6), null, [A, B]), A.address);
  });

  it('spreads seats that are placed at once, also by several servers', async () => {
    // An SQLite file has one server.
    const servers = kind === 'sqlite' ? [test.database] : [test.database, test.again()];
    const even = [A, { ...B, capacity: 3 }];
    const places = await Promise.all(
      [1, 2, 3, 4, 5, 6].map((seat) =>
        placeSeat(servers[seat % servers.length] ?? test.database, id(seat), null, even),
      ),
    );
    const on = (worker: string) => places.filter((place) => place === worker).length;
    assert.deepEqual([on(A.address), on(B.address)], [3, 3]);
  });

  it('moves a seat only from where it is, and remembers from where', async () => {
    const { database } = test;
    await placeSeat(database, id(1), null, [A]);
    assert.equal(await placeSeat(database, id(1), null, [B]), undefined);
    assert.equal(await placeSeat(database, id(1), A.address, [B]), B.address);
    const row = await database.db
      .selectFrom('seats')
      .select(['worker', 'movedFrom'])
      .where('workshopId', '=', workshop)
      .where('seat', '=', 1)
      .executeTakeFirst();
    assert.deepEqual(row, { worker: B.address, movedFrom: A.address });
    await unplaceSeat(database, id(1), B.address);
    assert.equal(await placeSeat(database, id(1), null, [B]), B.address);
    const reset = await database.db
      .selectFrom('seats')
      .select('movedFrom')
      .where('workshopId', '=', workshop)
      .where('seat', '=', 1)
      .executeTakeFirst();
    assert.deepEqual(reset, { movedFrom: null });
  });

  it('names the runtimes that seats are in, that of the newest workshop first', async () => {
    const { database } = test;
    const make = async (runtime: 'docker' | 'firecracker', start: boolean, createdAt: number) => {
      const { id: made } = await plane.workshops.create('owner', { name: runtime, seats: 1, start });
      await database.db.updateTable('workshops').set({ runtime, createdAt }).where('id', '=', made).execute();
    };
    await make('docker', true, Date.now() + 60_000);
    await make('firecracker', false, Date.now() + 120_000);
    assert.deepEqual(await usedRuntimes(database), ['docker', 'local']);
  });

  it('tells holders with the revision, and wakes who looks after the seats of a worker', async () => {
    const { database } = test;
    await placeSeat(database, id(2), null, [A]);
    const before = (await placedSeats(database, [workshop])).get(`clarateach-${workshop}-seat-02`);
    assert.deepEqual([before?.worker, before?.holder], [A.address, null]);
    assert.deepEqual(await touchSeatsOf(database, A.address), [workshop]);
    const after = (await placedSeats(database, [workshop])).get(`clarateach-${workshop}-seat-02`);
    assert.ok((after?.revision ?? 0) > (before?.revision ?? 0));
    assert.deepEqual(await touchSeatsOf(database, B.address), []);
  });
});
