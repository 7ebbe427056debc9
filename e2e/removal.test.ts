import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openTerminal, seatAddress } from '@clarateach/bench/terminal';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import type { Page } from 'playwright-core';
import { inRoom, noBrowser } from './browser/chromium.ts';
import { AGENT_TOKEN, newAgent, untilLearnersGoStraight } from './platform/agents.ts';
import { canRunSeats } from './platform/can-run.ts';
import { answer } from './platform/learner.ts';
import { eventually, firstInstructor, newInstallation, type Running } from './platform/up.ts';

const CLOSE_REMOVED = 4403;

const skip = noBrowser ?? canRunSeats('local').skip;

describe('a learner who is removed', skip === undefined ? {} : { skip }, () => {
  test('is shown why, cannot come back, and leaves a fresh seat', async (t) => {
    await using installation = await newInstallation('local');
    const running = await installation.up();
    await inRoom('removal', async (room) => {
      const teacher = (await room.person()).page;
      const code = await makeWorkshop(teacher, running);
      const mallory = (await room.person()).page;
      await joinAs(mallory, `${installation.url}/join/${code}`, 'Mallory');
      await type(mallory, 'echo secret > secret.txt; echo made-$((6*7))', 'made-42');

      const seat = teacher.getByRole('listitem', { name: 'Seat 1', exact: true });
      await seat.getByRole('button', { name: 'Actions for seat 1' }).click();
      await teacher.getByRole('menuitem', { name: 'Remove Mallory…' }).click();
      await teacher.getByRole('heading', { name: 'Remove Mallory from the workshop?' }).waitFor();
      await room.picture(teacher, 'confirm');
      await teacher.getByRole('button', { name: 'Remove and lose the files' }).click();
      const clickedAt = performance.now();
      await mallory.getByRole('heading', { name: 'You no longer have this seat' }).waitFor();
      const tookMs = Math.round(performance.now() - clickedAt);
      t.diagnostic(`from the click to the learner's page: ${tookMs} ms`);
      await room.picture(mallory, 'removed');

      // Neither a reload nor the return code that the browser keeps leads back.
      await mallory.reload();
      await mallory.getByRole('heading', { name: 'You no longer have this seat' }).waitFor();
      await mallory.getByRole('link', { name: 'Go to the join page' }).click();
      await mallory.getByRole('button', { name: /Return to seat 1/ }).click();
      await mallory.getByText('You were removed from this workshop.').waitFor();
      await room.picture(mallory, 'refused');

      await eventually('the seat is free again', async () => seat.getByText('Free').isVisible());
      const ada = (await room.person()).page;
      await joinAs(ada, `${installation.url}/join/${code}`, 'Ada');
      await type(ada, 'ls secret.txt; echo as-$((6*7))', 'No such file');
      await room.picture(teacher, 'removed-list');

      // Let back in: the same code leads to an empty seat again.
      await teacher.getByRole('button', { name: 'Let Mallory back in' }).click();
      await teacher.getByRole('heading', { name: 'Removed' }).waitFor({ state: 'detached' });
      await mallory.getByRole('button', { name: /Return to seat 1/ }).click();
      await mallory.getByRole('button', { name: /Go to seat 2/ }).click();
      await mallory.getByText('Connected', { exact: true }).waitFor();
      await type(mallory, 'ls secret.txt; echo back-$((6*7))', 'No such file');
    });
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });

  test('on a worker is out, also after the agent starts without its server', {
    timeout: 200_000,
  }, async (t) => {
    await using installation = await newInstallation('local');
    const agent = await newAgent({ env: { SERVER_URL: installation.url } });
    let running: Running | undefined;
    try {
      await agent.start();
      const workers = JSON.stringify([{ address: `127.0.0.1:${agent.port}`, token: AGENT_TOKEN }]);
      running = await installation.up({ env: { WORKER_AGENTS: workers } });
      const instructor = await firstInstructor(installation, running);
      await untilLearnersGoStraight(instructor);
      const { id, code } = await instructor.workshop(1);
      const lags: number[] = [];
      let mallory: SeatSession | undefined;
      for (let round = 0; round < 3; round++) {
        mallory = await eventualJoin(() => instructor.join(code, 'Mallory'));
        assert.match(mallory.endpoint, new RegExp(`:${agent.port}/`));
        assert.equal(await answer(mallory, 'echo $((6*7))'), '42');
        const terminal = await openTerminal(seatAddress(mallory), { cols: 80, rows: 24 });
        const askedAt = performance.now();
        const closed = terminal.closed.then((closeCode) => ({
          closeCode,
          lagMs: performance.now() - askedAt,
        }));
        await instructor.api('POST', `/api/workshops/${id}/seats/1/remove`);
        const { closeCode, lagMs } = await closed;
        assert.equal(closeCode, CLOSE_REMOVED);
        lags.push(Math.round(lagMs));
        assert.equal(await files(mallory), 403);
        await eventually('ready again', async () => {
          const { phase } = await (instructor.api('GET', `/api/workshops/${id}`) as Promise<WorkshopDetails>);
          return phase === 'ready';
        });
      }
      t.diagnostic(`from the request to the closed terminal on the worker: ${lags.join(', ')} ms`);

      // Neither a restart of the agent nor of the server forgets it.
      await agent.kill();
      await running.kill();
      running = undefined;
      await agent.start();
      assert.equal(await files(mallory as SeatSession), 403);
      running = await installation.up({ env: { WORKER_AGENTS: workers } });
      const again = { code, name: 'Mallory', odehash: mallory?.odehash };
      const refused = await fetch(`${installation.url}/api/join`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(again),
      });
      assert.equal(refused.status, 403);
      await instructor.remove(id);
    } finally {
      await running?.stop();
      await agent.end();
    }
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

async function files({ endpoint, seat, token }: SeatSession): Promise<number> {
  const response = await fetch(`${endpoint}/vm/${seat}/files?path=.`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await response.body?.cancel();
  return response.status;
}

/** A seat that has just been reset may not take anybody in yet. */
async function eventualJoin(join: () => Promise<SeatSession>): Promise<SeatSession> {
  let session: SeatSession | undefined;
  await eventually('a seat is free', async () => {
    session = await join().catch(() => undefined);
    return session !== undefined;
  });
  return session as SeatSession;
}

async function makeWorkshop(page: Page, running: Running): Promise<string> {
  assert.ok(running.signIn);
  await page.goto(running.signIn);
  await page.getByRole('button', { name: 'New workshop' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Claude CLI Basics');
  await page.getByLabel('Seats', { exact: true }).fill('2');
  await page.getByRole('button', { name: 'Create and start' }).click();
  await page.getByText('2 of 2 seats ready').waitFor({ timeout: 60_000 });
  const link = await page.getByRole('link', { name: /\/join\// }).getAttribute('href');
  return link?.split('/join/')[1] ?? '';
}

async function joinAs(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join workshop' }).click();
  await page.getByText('Connected', { exact: true }).waitFor();
}

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
