import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { AGENT_TOKEN, type AgentProcess, newAgent, untilLearnersGoStraight } from './platform/agents.ts';
import { canRunSeats } from './platform/can-run.ts';
import { answer, rejoin } from './platform/learner.ts';
import { openPlaces, type Place, whyNoNamespaces } from './platform/namespaces.ts';
import { eventually, firstInstructor, newInstallation } from './platform/up.ts';

/** Seconds after which a silent worker's seats are moved, in these tests. */
const LOST_SECONDS = 15;
const LOST_MS = LOST_SECONDS * 1000;

const skip = canRunSeats('local').skip ?? (await whyNoNamespaces());

describe('a server and two workers in networks of their own', skip === undefined ? {} : { skip }, () => {
  /** Between the server and the first worker; learners reach the worker, but where the cable is out. */
  const cuts: readonly [string, (scene: Scene) => Promise<void>][] = [
    ['nothing passes', ({ server, worker }) => both(server.dropFrom(worker), server.dropTo(worker))],
    ['the worker does not hear the server', ({ server, worker }) => worker.dropFrom(server)],
    ['the server does not hear the worker', ({ server, worker }) => server.dropFrom(worker)],
  ];

  test('a worker that is cut off for a moment keeps its learners, and nothing is doubled or destroyed', {
    timeout: 300_000,
  }, async () => {
    await using scene = await openScene();
    const { one, two, ada, show } = scene;
    assert.equal(await answer(ada, 'MARK=alive; echo kept > kept.txt; echo $((6*7))'), '42');
    const before = [await scene.seatsOn(one), await scene.seatsOn(two)];
    for (const [name, cut] of cuts) {
      await cut(scene);
      const since = Date.now();
      await eventually(`${name}: the seat is shown lost`, async () => (await seat(scene))?.phase === 'lost');
      assert.match((await seat(scene))?.reason ?? '', /does not answer.*comes back with its files/);
      assert.equal(await answer(ada, 'echo $MARK'), 'alive', `${name}: a new connection, by kept keys`);
      assert.deepEqual([await scene.seatsOn(one), await scene.seatsOn(two)], before, name);
      assert.ok(Date.now() - since < LOST_MS, 'the look was before the time was over');
      await scene.mend();
      await eventually(`${name}: all is back`, async () => (await show()).phase === 'ready');
      assert.equal(await answer(ada, 'echo "$MARK $(cat kept.txt)"'), 'alive kept', name);
    }

    // An agent that starts while it is cut off knows keys, holders and seats from its disk.
    await scene.server.dropFrom(scene.worker);
    await one.kill();
    await one.start();
    assert.equal(await answer(ada, 'echo $MARK'), 'alive');
    await scene.mend();
    await eventually('back after its restart', async () => (await show()).phase === 'ready');

    // With the cable out nobody reaches the seat, which is there again with the cable.
    await scene.worker.unplug();
    await eventually('lost without its cable', async () => (await seat(scene))?.phase === 'lost');
    await scene.worker.plug();
    await eventually('found with its cable', async () => (await show()).phase === 'ready');
    assert.equal(await answer(ada, 'echo "$MARK $(cat kept.txt)"'), 'alive kept');
    assert.deepEqual([await scene.seatsOn(one), await scene.seatsOn(two)], before);
  });

  test('after the stated time a seat lives elsewhere, and the worker that returns gives up its copy', {
    timeout: 300_000,
  }, async () => {
    await using scene = await openScene();
    const { one, two, ada, show, instructor, code } = scene;
    assert.equal(await answer(ada, 'MARK=alive; echo $((6*7))'), '42');
    await scene.worker.dropFrom(scene.server);
    await eventually('lost', async () => (await seat(scene))?.phase === 'lost');
    const lostAt = Date.now();
    await eventually(
      'placed on the other worker',
      async () => (await scene.seatsOn(two)).includes(ada.seat),
      60_000,
    );
    // The worker was lost before it was seen to be, by less than a look of ours.
    assert.ok(Date.now() - lostAt >= LOST_MS - 2_000, 'not before the stated time');
    await eventually('ready there', async () => (await show()).phase === 'ready');
    // Nobody reaches the lost worker to end its copy: whoever is connected there works on.
    assert.equal(await answer(ada, 'echo $MARK'), 'alive');
    const again = await rejoin(instructor, code, ada);
    assert.equal(again.seat, ada.seat);
    assert.notEqual(again.endpoint, ada.endpoint);
    assert.equal(await answer(again, 'echo "[$MARK]"'), '[]');

    await scene.mend();
    await eventually(
      'one live seat for the claim',
      async () => !(await scene.seatsOn(one)).includes(ada.seat),
    );
    assert.deepEqual(await scene.seatsOn(two), [1, 2]);
    assert.equal(await answer(again, 'echo $((6*7))'), '42');
    await assert.rejects(answer(ada, 'echo $MARK'), 'the old place lets nobody in');
  });

  interface Scene {
    readonly server: Place;
    readonly worker: Place;
    readonly one: AgentProcess;
    readonly two: AgentProcess;
    /** Whose seat is on the first worker. */
    readonly ada: SeatSession;
    show(): Promise<WorkshopDetails>;
  }

  async function seat({ ada, show }: Scene) {
    return (await show()).seats.find((each) => each.seat === ada.seat);
  }

  async function openScene() {
    await using opening = new AsyncDisposableStack();
    const network = opening.use(await openPlaces(3));
    const [server, worker, other] = network.places as [Place, Place, Place];
    const installation = opening.use(
      await newInstallation('local', { within: server.within, host: server.address }),
    );
    const agents: AgentProcess[] = [];
    for (const place of [worker, other]) {
      const agent = opening.adopt(
        await newAgent({
          host: place.address,
          within: place.within,
          env: { HOST: place.address, SERVER_URL: installation.url },
        }),
        (each) => each.end(),
      );
      agents.push(agent);
      await agent.start({ PUBLIC_URL: `http://${place.address}:${agent.port}` });
    }
    const [one, two] = agents as [AgentProcess, AgentProcess];
    const running = opening.adopt(
      await installation.up({
        env: {
          HOST: server.address,
          PUBLIC_URL: installation.url,
          WORKER_LOST_SECONDS: String(LOST_SECONDS),
          WORKER_AGENTS: JSON.stringify(
            [worker, other].map(({ address }, index) => ({
              address: `${address}:${agents[index]?.port}`,
              token: AGENT_TOKEN,
            })),
          ),
        },
      }),
      async (each) => {
        await each.stop();
      },
    );
    const instructor = await firstInstructor(installation, running);
    await untilLearnersGoStraight(instructor);
    const { id, code } = await instructor.workshop(2);
    const learners = [await instructor.join(code, 'Ada'), await instructor.join(code, 'Bob')];
    const ada = learners.find(({ endpoint }) => endpoint.includes(worker.address));
    assert.ok(ada, 'each worker has a seat');
    const mend = () => both(server.allow(), worker.allow());
    // What a test that failed has left cut.
    opening.defer(() => both(mend(), worker.plug()));
    const opened = opening.move();
    return {
      server,
      worker,
      one,
      two,
      ada,
      instructor,
      code,
      show: () => instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`),
      seatsOn: async (agent: AgentProcess) =>
        (await agent.held()).map(({ seat_id }) => seat_id).toSorted((a, b) => a - b),
      mend,
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  }
});

async function both(...changes: Promise<void>[]): Promise<void> {
  await Promise.all(changes);
}
