import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Instructor } from '@clarateach/bench/platform';
import type { Vm } from '@clarateach/contract/agent-api';
import type { AdminVms, WorkerView } from '@clarateach/contract/health';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { tcpProxy } from '@clarateach/server/testing/tcp-proxy';
import type { Page } from 'playwright-core';
import { noBrowser, openRoom } from './browser/chromium.ts';
import { AGENT_TOKEN, type AgentProcess, newAgent } from './platform/agents.ts';
import { canRunSeats } from './platform/can-run.ts';
import { answer } from './platform/learner.ts';
import { eventually, firstInstructor, newInstallation, type Running } from './platform/up.ts';

/** Seconds after which a silent worker's seats are moved, in these tests. */
const LOST_SECONDS = 12;

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
    await eventually('its copies are destroyed', async () => {
      const { vms } = (await (await one.call('GET', '/vms')).json()) as { vms: unknown[] };
      return vms.length === 0;
    });
    assert.equal((await seatsOn(two.port)).length, 4);
    assert.equal(await answer(again, 'echo $((6*7))'), '42');

    await instructor.remove(id);
    for (const agent of [one, two]) {
      const { vms } = (await (await agent.call('GET', '/vms')).json()) as { vms: unknown[] };
      assert.deepEqual(vms, []);
    }
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
      await page.goto(`${stage.url}/join/${code}`);
      await page.getByLabel('Your name').fill('Ada');
      await page.getByRole('button', { name: 'Join workshop' }).click();
      await page.getByText('Connected', { exact: true }).waitFor();
      const home = stage.agentWith(sockets);
      await type(page, 'echo from-$((40+2)) > worker.txt; cat worker.txt', 'from-42');
      await page.getByRole('treeitem', { name: /worker\.txt/ }).waitFor();

      await type(
        page,
        "clear; echo '<h1>Made by Ada</h1>' > index.html; python3 -m http.server 5173 >/dev/null 2>&1 & echo up-$((1+1))",
        'up-2',
      );
      await page.getByRole('button', { name: 'Preview', exact: true }).click();
      const pane = page.getByRole('region', { name: 'Preview' });
      await pane.getByRole('button', { name: /5173/ }).first().click();
      await pane.locator('iframe').contentFrame().getByRole('heading', { name: 'Made by Ada' }).waitFor();
      await room.picture(page, 'preview');
      await pane.getByRole('button', { name: 'Close the preview' }).click();

      await home.kill();
      await eventually(
        'the seat is on the other worker',
        async () => {
          const [seat] = (await stage.instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`)).seats;
          return seat?.phase === 'occupied' && /another worker/.test(seat.reason);
        },
        60_000,
      );
      await type(page, 'clear; ls; echo here-$((40+2))', 'here-42');
      await room.picture(page, 'moved');
      await home.start();
    } finally {
      await room.close();
    }
    await stage.instructor.remove(id);
    for (const agent of [stage.one, stage.two]) {
      await eventually('nothing is left on the worker', async () => {
        const { vms } = (await (await agent.call('GET', '/vms')).json()) as { vms: unknown[] };
        return vms.length === 0;
      });
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

/** Types a command; what it prints is read by the terminal's own support for screen readers. */
async function type(page: Page, command: string, expected: string): Promise<void> {
  const readable = page.getByRole('button', { name: 'Screen reader mode of the terminal' });
  if ((await readable.getAttribute('aria-pressed')) !== 'true') await readable.click();
  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type(command);
  await page.keyboard.press('Enter');
  await eventually(`the terminal shows ${expected}`, async () =>
    ((await page.locator('.xterm-accessibility-tree').textContent()) ?? '').includes(expected),
  );
}

/** A server and two agents on loopback ports; the first is reached by a line that can be cut. */
async function twoWorkers(options: { wrongTokenForTwo?: boolean } = {}) {
  const installation = await newInstallation('local');
  const env = { SERVER_URL: installation.url };
  const [one, two]: [AgentProcess, AgentProcess] = [await newAgent(env), await newAgent(env)];
  await Promise.all([one.start(), two.start()]);
  const line = await tcpProxy(one.port);
  const serverEnv = {
    WORKER_LOST_SECONDS: String(LOST_SECONDS),
    WORKER_AGENTS: JSON.stringify([
      { address: `127.0.0.1:${line.port}`, token: AGENT_TOKEN },
      {
        address: `127.0.0.1:${two.port}`,
        token: options.wrongTokenForTwo ? 'not-the-token' : AGENT_TOKEN,
      },
    ]),
  };
  let running: Running = await installation.up({ env: serverEnv });
  const instructor: Instructor = await firstInstructor(installation, running);
  const workers = async () => (await instructor.api<AdminVms>('GET', '/api/admin/vms')).workers;
  return {
    one,
    two,
    line,
    portOfOne: line.port,
    url: installation.url,
    instructor,
    /** The agent at one of these ports. */
    agentWith(ports: readonly string[]): AgentProcess {
      const found = [one, two].find(({ port }) => ports.includes(String(port)));
      assert.ok(found, `no worker at ${ports.join()}`);
      return found;
    },
    async worker(port: number): Promise<WorkerView> {
      const found = (await workers()).find(({ address }) => address === `http://127.0.0.1:${port}`);
      assert.ok(found);
      return found;
    },
    killServer: () => running.kill(),
    async startServer() {
      running = await installation.up({ env: serverEnv });
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
      await line.close();
      for (const agent of [one, two]) {
        // Seats outlive their agent, also those of a test that failed.
        const { vms } = (await (await agent.call('GET', '/vms')).json()) as { vms: Vm[] };
        for (const vm of vms) await agent.call('DELETE', `/vms/${vm.workshop_id}/${vm.seat_id}`);
        assert.equal(await agent.stop(), 0);
        await agent.remove();
      }
      assert.deepEqual(await installation.leftBehind(), []);
      await installation.remove();
    },
  };
}
