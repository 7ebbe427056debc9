import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { inRoom, noBrowser, type Room } from './browser/chromium.ts';
import { canRunSeats } from './platform/can-run.ts';
import { eventually, newInstallation } from './platform/up.ts';

const skip = noBrowser ?? canRunSeats('local').skip;

describe('a page whose parts do not come', skip === undefined ? {} : { skip }, () => {
  test('is loaded again by itself, and says what to do when that does not help', async () => {
    await using installation = await newInstallation('local');
    const running = await installation.up();
    await inRoom('page-load', async (room) => {
      for (const parts of [
        /\/assets\/index-[^/]*\.js$/,
        /\/assets\/shared-[^/]*\.js$/,
        /\/assets\/index-[^/]*\.css$/,
      ]) {
        await comesBack(room, `${installation.url}/join`, parts);
      }
      await offersReload(room, `${installation.url}/join`);
    });
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

/** Twice a part is given up, as by a browser whose network changes. */
async function comesBack(room: Room, url: string, parts: RegExp): Promise<void> {
  const { page, context } = await room.person();
  let left = 2;
  await page.route(parts, (route) => (left-- > 0 ? route.abort('connectionaborted') : route.continue()));
  await page.goto(url);
  await page.getByLabel('Join code').waitFor();
  await isStyled(page);
  assert.ok(left < 0, `${parts} was asked for again`);
  await context.close();
}

async function offersReload(room: Room, url: string): Promise<void> {
  const { page } = await room.person();
  const parts = /\/assets\/index-/;
  let asked = 0;
  await page.route(parts, (route) => {
    asked += 1;
    return route.abort('connectionaborted');
  });
  await page.goto(url);
  await page.getByRole('alert').waitFor();
  await room.picture(page, 'not-whole');
  const before = asked;
  await page.unroute(parts);
  await page.getByRole('button', { name: 'Load again' }).click();
  await page.getByLabel('Join code').waitFor();
  await isStyled(page);
  // A script and a style sheet, for the page itself and three more times.
  assert.equal(before, 8);
}

/** A page without its style sheet is there before it is loaded again. */
async function isStyled(page: Page): Promise<void> {
  const color = "getComputedStyle(document.body).backgroundColor !== 'rgba(0, 0, 0, 0)'";
  await eventually('the page has its looks', () => page.evaluate<boolean>(color).catch(() => false));
}
