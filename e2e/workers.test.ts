import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { noBrowser, openRoom } from './browser/chromium.ts';
import { joinAs, type, usePreview } from './browser/steps.ts';
import { canRunSeats } from './platform/can-run.ts';
import { answer } from './platform/learner.ts';
import { eventually } from './platform/up.ts';
import { twoWorkers } from './platform/worker-stage.ts';

describe('two workers', canRunSeats('local'), () => {
  test('share a workshop, and outlive each other, the server, and a cut line', {
    timeout: 400_000,
  }, async () => {
    await using stage = await twoWorkers();
    const { one, two, instructor } = stage;
    const { id, code } = await instructor.workshop(4);
    const show = () => instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
    const seatsOn = async (port: number) => (await stage.worker(port)).seats.map(({ seat }) => seat);
    await eventually(
      'two seats on each',
      async () => (await seatsOn(stage.portOfOne)).length === 2 && (await seatsOn(two.port)).length === 2,
    );

    // Learners go straight to the machine that has their seat.
    const learners = [];
    for (const name of ['Ada', 'Bob', 'Cleo', 'Dan']) learners.push(await instructor.join(code, name));
    const bases = new Set(learners.map(({ endpoint }) => endpoint));
    assert.deepEqual(
      [...bases].sort(),
      [one.port, two.port].map((port) => `http://localhost:${port}/debug/proxy/${id}`).sort(),
    );
    const ada = learners.find(({ endpoint }) => endpoint.includes(`:${one.port}/`)) as SeatSession;
    const bob = learners.find(({ endpoint }) => endpoint.includes(`:${two.port}/`)) as SeatSession;
    assert.equal(await answer(ada, 'MARK=alive; echo kept > kept.txt; echo $((6*7))'), '42');
    assert.equal(await answer(bob, 'echo bob > bob.txt; echo $((6*7))'), '42');
    // The server's own gateway leads to the same shell, and the agent's other path does.
    assert.equal(await answer({ ...ada, endpoint: `${stage.url}/debug/proxy/${id}` }, 'echo $MARK'), 'alive');
    const listed = await fetch(`http://localhost:${one.port}/proxy/${id}/${ada.seat}/files?path=.`, {
      headers: { authorization: `Bearer ${ada.token}`, origin: stage.url },
    });
    assert.equal(listed.status, 200);
    assert.equal(listed.headers.get('access-control-allow-origin'), stage.url);
    assert.match(await listed.text(), /kept\.txt/);
    // Another's token does not open the seat, on the worker as on the server.
    const foreign = await fetch(`${ada.endpoint}/vm/${ada.seat}/files?path=.`, {
      headers: { authorization: `Bearer ${bob.token}` },
    });
    assert.equal(foreign.status, 403);

    // The line between server and worker is cut: the learner works on, with keys that the agent keeps.
    stage.line.cut();
    await eventually('seats of a worker out of sight are shown lost', async () =>
      (await show()).seats.some((seat) => seat.phase === 'lost'),
    );
    assert.equal(await answer(ada, 'echo $MARK'), 'alive');
    stage.line.mend();
    await eventually('they are back', async () => (await show()).phase === 'ready');
    assert.equal(await answer(ada, 'echo $MARK'), 'alive');

    // An agent that dies is no death of its seats: the next one adopts them.
    await one.kill();
    await eventually('the seats of a dead agent are lost', async () =>
      (await show()).seats.some((seat) => seat.phase === 'lost'),
    );
    const lost = (await show()).seats.find((seat) => seat.phase === 'lost');
    assert.match(lost?.reason ?? '', /does not answer.*comes back with its files/);
    await one.start();
    await eventually('adopted', async () => (await show()).phase === 'ready');
    assert.equal(await answer(ada, 'echo "$MARK $(cat kept.txt)"'), 'alive kept');

    // A server that dies finds workers and seats again; the learner did not notice.
    await stage.killServer();
    assert.equal(await answer(ada, 'echo $MARK'), 'alive');
    await stage.startServer();
    await eventually('ready after a restart of the server', async () => (await show()).phase === 'ready');
    assert.equal(await answer(bob, 'cat bob.txt'), 'bob');

    // A worker that stays away: its seats are brought up on the other, without their files, and it is said.
    await one.kill();
    await eventually(
      'moved to the other worker',
      async () => (await show()).phase === 'ready' && (await seatsOn(two.port)).length === 4,
      60_000,
    );
    const moved = (await show()).seats.find(({ seat }) => seat === ada.seat);
    assert.match(moved?.reason ?? '', /another worker.*files that were on it are gone/);
    const again = await instructor.api<SeatSession>('POST', '/api/join', {
      code,
      name: 'Ada',
      odehash: ada.odehash,
    });
    assert.deepEqual([again.seat, again.odehash], [ada.seat, ada.odehash]);
    assert.match(again.endpoint, new RegExp(`:${two.port}/`));
    assert.equal(await answer(again, 'cat kept.txt 2>/dev/null || echo none'), 'none');

    // It comes back with seats that live elsewhere now: its copies go, and nobody has two.
    await one.start();
    await eventually('its copies are destroyed', async () => (await one.held()).length === 0);
    assert.equal((await seatsOn(two.port)).length, 4);
    assert.equal(await answer(again, 'echo $((6*7))'), '42');

    await instructor.remove(id);
    for (const agent of [one, two]) assert.deepEqual(await agent.held(), []);
  });

  test('a learner’s browser uses the worker itself, and follows the seat to another', {
    timeout: 200_000,
    ...(noBrowser === undefined ? {} : { skip: noBrowser }),
  }, async () => {
    await using stage = await twoWorkers();
    const { id, code } = await stage.instructor.workshop(1);
    const room = await openRoom('workers');
    try {
      const { page } = await room.person();
      const sockets: string[] = [];
      page.on('websocket', (socket) => sockets.push(new URL(socket.url()).port));
      await joinAs(page, stage, code, 'Ada');
      const home = stage.agentWith(sockets);
      await type(page, 'echo from-$((40+2)) > worker.txt; cat worker.txt', 'from-42');
      await page.getByRole('treeitem', { name: /worker\.txt/ }).waitFor();

      await usePreview(room, page);

      await home.kill();
      await eventually(
        'the seat is on the other worker',
        async () => {
          const [seat] = (await stage.instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`)).seats;
          return seat?.phase === 'occupied' && /another worker/.test(seat.reason);
        },
        60_000,
      );
      // What is typed before that is not for the shell that is there now.
      await page.getByText('Connected', { exact: true }).waitFor();
      await type(page, 'clear; ls; echo here-$((40+2))', 'here-42');
      await room.picture(page, 'moved');
      await home.start();
    } finally {
      await room.close();
    }
    await stage.instructor.remove(id);
    for (const agent of [stage.one, stage.two]) {
      await eventually('nothing is left on the worker', async () => (await agent.held()).length === 0);
    }
  });

  test('a wrong token and another version are told, and take no seats', { timeout: 120_000 }, async () => {
    await using stage = await twoWorkers({ wrongTokenForTwo: true });
    const refused = await stage.worker(stage.two.port);
    assert.deepEqual([refused.state, refused.seats], ['refused', []]);
    assert.match(refused.problem, /does not take this server's token/);
    const { id } = await stage.instructor.workshop(2);
    await eventually(
      'both seats on the other worker',
      async () => (await stage.worker(stage.portOfOne)).seats.length === 2,
    );
    const old = await stage.one.call('GET', '/info', { 'clarateach-agent-api': '999' });
    assert.equal(old.status, 426);
    assert.match(await old.text(), /version 1 of the agent API, the caller version 999/);
    await stage.instructor.remove(id);
  });
});
