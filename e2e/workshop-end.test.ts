import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import type { Page } from 'playwright-core';
import { inRoom, noBrowser, type Room } from './browser/chromium.ts';
import { joinAs, type } from './browser/steps.ts';
import { canRunSeats } from './platform/can-run.ts';
import { type Installation, newInstallation, type Running } from './platform/up.ts';

const skip = noBrowser ?? canRunSeats('local').skip;

describe('the end of a workshop', skip === undefined ? {} : { skip }, () => {
  test('is told in time, with a way to keep the files; it can be moved, and it is over when it is', async () => {
    await using installation = await newInstallation('local');
    const running = await installation.up();
    await inRoom('workshop-end', async (room) => {
      const teacher = (await room.person()).page;
      const { id, code } = await makeWorkshop(teacher, installation, running);
      const ada = (await room.person()).page;
      await ada.clock.install();
      await joinAs(ada, installation, code, 'Ada');
      await type(ada, 'echo mine > notes.txt; echo made-$((6*7))', 'made-42');
      await isTold(room, ada);

      const extended = await teacher.request.post(`${installation.url}/api/workshops/${id}/extend`, {
        data: { minutes: 120 },
        headers: { Origin: installation.url },
      });
      assert.ok(extended.ok());
      await ada.clock.fastForward('01:00');
      await notice(ada).waitFor({ state: 'detached' });
      await ada.getByText(/2 h \d+ min left/).waitFor();

      await teacher.request.delete(`${installation.url}/api/workshops/${id}`, {
        headers: { Origin: installation.url },
      });
      await isOver(room, ada);
    });
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

async function makeWorkshop(page: Page, { url }: Installation, running: Running): Promise<WorkshopDetails> {
  assert.ok(running.signIn);
  await page.goto(running.signIn);
  const response = await page.request.post(`${url}/api/workshops?wait=ready`, {
    data: { name: 'Claude CLI Basics', seats: 1, runtime: 'local', ttlMinutes: 20 },
    headers: { Origin: url },
  });
  assert.ok(response.ok(), await response.text());
  return (await response.json()) as WorkshopDetails;
}

const notice = (page: Page) => page.getByRole('region', { name: 'End of the workshop' });

/** Twice: a quarter of an hour before, and, for who has closed that, five minutes before. */
async function isTold(room: Room, page: Page): Promise<void> {
  await page.getByText(/1\d min left/).waitFor();
  assert.equal(await notice(page).count(), 0);
  // Not by way of the server, which sets the page's clock right again.
  await page.route('**/api/session/renew', (route) => route.abort());
  await page.clock.fastForward('06:00');
  await notice(page)
    .getByText(/^The workshop ends in 1\d min\.$/)
    .waitFor();
  await room.picture(page, 'quarter');
  await notice(page).getByRole('button', { name: 'Close this notice' }).click();
  await notice(page).waitFor({ state: 'detached' });
  await page.clock.fastForward('10:00');
  await notice(page)
    .getByText(/^The workshop ends in [34] min\.$/)
    .waitFor();
  await room.picture(page, 'five');
  const download = page.waitForEvent('download');
  await notice(page).getByRole('button', { name: 'Download your files' }).click();
  assert.match((await readFile(await (await download).path())).toString('latin1'), /notes\.txt/);
  await page.unroute('**/api/session/renew');
}

/** The page of a workshop that is gone says so, and asks no more: every such question counts as a wrong code. */
async function isOver(room: Room, page: Page): Promise<void> {
  let asked = 0;
  page.on('request', (request) => {
    if (request.url().includes('/api/session/')) asked += 1;
  });
  await page.getByText('is over, and its seats are gone').waitFor();
  await room.picture(page, 'over');
  const before = asked;
  await page.clock.runFor('05:00');
  assert.equal(asked, before);
  await page.getByRole('link', { name: 'Join another workshop' }).click();
  await page.getByLabel('Join code').waitFor();
}
