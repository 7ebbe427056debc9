import assert from 'node:assert/strict';
import { afterEach, beforeEach, it } from 'node:test';
import type { WorkshopId } from '@clarateach/contract/ids';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, insertOwner } from '../testing/control-plane.ts';
import { openHomes } from './homes.ts';
import { placeSeat, workerOf } from './placement.ts';
import type { Worker } from './worker.ts';

const OLD = 'http://10.0.0.1:9090';
const NEW = 'https://worker-1.example.org';
const OTHER = 'http://10.0.0.2:9090';

/** Workers at these addresses; of those with an agent something was heard, and those that are `down` were up then. */
function workersAt(
  agents: Readonly<Record<string, string | undefined>>,
  down: readonly string[] = [],
): Worker[] {
  return Object.entries(agents).map(([address, id]) => {
    const state = down.includes(address) ? 'down' : id === undefined ? 'unknown' : 'up';
    return { address, state, info: id === undefined ? undefined : { id } } as unknown as Worker;
  });
}

eachDatabase('the homes of seats', (open) => {
  let test: TestDatabase;
  let plane: ControlPlane;
  let workshop: WorkshopId;

  beforeEach(async () => {
    test = await open();
    // Its loops are not started: the rows stay as they are made.
    plane = await controlPlane({ database: test.database, provider: instantProvider() });
    const owner = await insertOwner(test.database, 'owner');
    ({ id: workshop } = await plane.workshops.create(owner, { name: 'Placed', seats: 2, start: true }));
    const [worker] = workersAt({ [OLD]: 'agent-1' }) as [Worker];
    await openHomes(test.database, [worker]).heard(worker, 'agent-1');
    await placeSeat(test.database, { workshop, seat: 1 }, null, [{ address: OLD, capacity: 5 }]);
  });
  afterEach(async () => {
    await plane.close();
    await test.close();
  });

  it('are found by the agent when its address is spelled otherwise, and rows get the new name', async () => {
    const { database } = test;
    const workers = workersAt({ [OTHER]: 'agent-2', [NEW]: 'agent-1' });
    const [, renamed] = workers as [Worker, Worker];
    const homes = openHomes(database, workers);
    // As another server of this database says it, which spells it the old way.
    assert.equal(await homes.of(OLD), renamed);
    await homes.heard(renamed, 'agent-1');
    assert.equal(await workerOf(database, { workshop, seat: 1 }), NEW);
    assert.equal(await workerOf(database, { workshop, seat: 2 }), null);
    // The other server goes on with its spelling.
    await placeSeat(database, { workshop, seat: 2 }, null, [{ address: OLD, capacity: 5 }]);
    assert.equal(await homes.of(OLD), renamed);
  });

  it('may be with a worker that was not heard of yet, and are gone when none can be it', async () => {
    const { database } = test;
    const silent = workersAt({ [OTHER]: 'agent-2', [NEW]: undefined });
    assert.equal(await openHomes(database, silent).of(OLD), silent[1]);
    const heard = workersAt({ [OTHER]: 'agent-2', [NEW]: 'agent-3' });
    assert.equal(await openHomes(database, heard).of(OLD), undefined);
    // One that answered as another agent before this server's start is not it either.
    await openHomes(database, heard).heard(heard[1] as Worker, 'agent-3');
    assert.equal(await openHomes(database, silent).of(OLD), undefined);
    assert.equal(await openHomes(database, silent).of('http://10.0.0.9:9090'), undefined);
  });

  it('are with the first of two names of one agent, unless only the other answers', async () => {
    const names = { [OLD]: 'agent-1', [NEW]: 'agent-1', [OTHER]: undefined };
    for (const [refused, home, down] of [
      [NEW, OLD, []],
      [OLD, NEW, [OLD]],
      [NEW, OLD, [NEW]],
    ] as const) {
      const workers = workersAt(names, down);
      const homes = openHomes(test.database, workers);
      const at = (address: string) => workers.find((worker) => worker.address === address) as Worker;
      assert.deepEqual(
        [homes.twinOf(at(refused)), homes.twinOf(at(home)), homes.twinOf(at(OTHER))],
        [at(home), undefined, undefined],
      );
      assert.deepEqual(
        [await homes.of(OLD), await homes.of(NEW), await homes.of(OTHER)],
        [at(home), at(home), at(OTHER)],
      );
    }
  });

  it('are with the other name of their agent where the one in their rows was not heard of since the start', async () => {
    const workers = workersAt({ [OLD]: undefined, [NEW]: 'agent-1' }, [OLD]);
    assert.equal(await openHomes(test.database, workers).of(OLD), workers[1]);
  });
});
