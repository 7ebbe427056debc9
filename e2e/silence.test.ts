import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import type { BrowserContext, Locator, Page } from 'playwright-core';
import { noBrowser, openRoom, type Room } from './browser/chromium.ts';
import { joinAs, keys, shows, type } from './browser/steps.ts';
import { canRunSeats } from './platform/can-run.ts';
import { type Installation, newInstallation, type Running } from './platform/up.ts';

const skip = noBrowser ?? canRunSeats('local').skip;

interface People {
  /** In a seat, with the terminal and an edited file. */
  readonly learner: { readonly page: Page; readonly context: BrowserContext };
  /** Looking at the workshop. */
  readonly teacher: Page;
  /** The same instructor, writing an invitation in another tab. */
  readonly writer: Page;
  /** And looking around in a third. */
  readonly walker: Page;
  readonly instructor: BrowserContext;
}

describe('a page whose server is away', skip === undefined ? {} : { skip }, () => {
  let installation: Installation;
  let running: Running;
  let room: Room;
  let people: People;

  before(async () => {
    installation = await newInstallation('local');
    running = await installation.up();
    room = await openRoom('silence');
    people = await settle(room, installation, running);
  });
  after(async () => {
    await room?.close();
    const code = await running?.stop();
    const left = await installation?.leftBehind();
    await installation?.[Symbol.asyncDispose]();
    assert.deepEqual([code, left], [0, []]);
  });

  /** Plays a story whose end, also a bad one, brings the server back. */
  const away = (name: string, story: (people: People) => Promise<void>, back: () => Promise<void> | void) =>
    test(name, async () => {
      try {
        await story(people);
      } catch (error) {
        await room.failed();
        throw error;
      } finally {
        await back();
      }
    });

  away(
    'says that the browser is offline, keeps what is typed, and goes on when it is back',
    async ({ learner, teacher, writer, walker, instructor }) => {
      await learner.context.setOffline(true);
      await instructor.setOffline(true);
      // Parts whose code was never fetched: a whole page, and a dialog over the workspace.
      await walker.getByRole('link', { name: 'API tokens' }).click();
      await learner.page.getByRole('button', { name: 'Help and keyboard shortcuts' }).click();
      await interrupted(teacher).waitFor();
      await writer.getByRole('button', { name: 'Invite', exact: true }).click();
      await unreached(writer).waitFor();
      await room.picture(writer, 'offline-form');
      await keys(learner.page, 'echo offline-$((6*7))');
      await saveFails(learner.page);
      await room.picture(learner.page, 'offline-seat');
      await walker.getByRole('heading', { name: 'The server cannot be reached' }).waitFor();
      // Of the save, and of the help.
      await unreached(learner.page).nth(1).waitFor();
      await room.picture(walker, 'offline-page');

      await learner.context.setOffline(false);
      await instructor.setOffline(false);
      await interrupted(teacher).waitFor({ state: 'detached' });
      assert.equal(await writer.getByLabel('E-mail').inputValue(), 'ada@example.org');
      await shows(learner.page, 'offline-42');
      await connected(learner.page);
      await unsaved(learner.page).waitFor();
      await walker.getByRole('heading', { name: 'API tokens' }).waitFor();
      await learner.page.getByRole('button', { name: 'Help and keyboard shortcuts' }).click();
      await learner.page.getByRole('dialog').waitFor();
      await learner.page.keyboard.press('Escape');
    },
    async () => {
      await people.learner.context.setOffline(false);
      await people.instructor.setOffline(false);
    },
  );

  away(
    'notices a server that takes connections and answers nothing, and is there again with it',
    async ({ learner, teacher }) => {
      process.kill(running.pid, 'SIGSTOP');
      await keys(learner.page, 'echo silent-$((6*7))');
      // As a browser does whose network changed, which is a reason to look before the next look is due.
      await teacher.evaluate("dispatchEvent(new Event('online'))");
      await interrupted(teacher).waitFor();
      await learner.page
        .getByText(/^(Reconnecting…|The connection is lost\.)/)
        .first()
        .waitFor();
      await room.picture(learner.page, 'silent-seat');
      await room.picture(teacher, 'silent-workshop');
      await keys(learner.page, 'echo after-$((6*7))');
      await learner.page.getByText('What you type is kept and sent').waitFor();

      process.kill(running.pid, 'SIGCONT');
      await shows(learner.page, 'silent-42');
      await shows(learner.page, 'after-42');
      await connected(learner.page);
      await interrupted(teacher).waitFor({ state: 'detached' });
    },
    () => void process.kill(running.pid, 'SIGCONT'),
  );

  away(
    'waits for a server that was killed, and takes up with the one that is started in its place',
    async ({ learner, teacher, writer }) => {
      await running.kill();
      await interrupted(teacher).waitFor();
      await learner.page.getByText('The connection is lost. Your shell goes on running.').waitFor();
      await keys(learner.page, 'echo killed-$((6*7))');
      await learner.page.getByText('What you type is kept and sent').waitFor();
      await room.picture(learner.page, 'killed-seat');
      await saveFails(learner.page);
      await writer.getByRole('button', { name: 'Invite', exact: true }).click();
      await unreached(writer).waitFor();

      running = await installation.up();
      await shows(learner.page, 'killed-42');
      await connected(learner.page);
      await interrupted(teacher).waitFor({ state: 'detached' });
      await unsaved(learner.page).waitFor();
      await learner.page.getByRole('button', { name: 'Save' }).click();
      await unsaved(learner.page).waitFor({ state: 'detached' });
      await type(learner.page, 'clear; cat notes.txt; echo read-$((6*7))', 'read-42');
      await shows(learner.page, 'not saved yet');
      // The form sends what was typed before the server went.
      await writer.getByRole('button', { name: 'Invite', exact: true }).click();
      await writer.getByRole('heading', { name: 'Hand over this link' }).waitFor();
    },
    () => {},
  );
});

/** A seat with a file that is edited and not saved, its workshop's page, and an invitation half written. */
async function settle(room: Room, installation: Installation, running: Running): Promise<People> {
  const { page: teacher, context: instructor } = await room.person();
  assert.ok(running.signIn);
  await teacher.goto(running.signIn);
  const response = await teacher.request.post(`${installation.url}/api/workshops?wait=ready`, {
    data: { name: 'Far away', seats: 1, runtime: 'local' },
    headers: { Origin: installation.url },
  });
  const { id, code } = (await response.json()) as WorkshopDetails;
  await teacher.goto(`${installation.url}/workshops/${id}`);
  await teacher.getByText('1 of 1 seats ready').waitFor();

  const writer = await instructor.newPage();
  await writer.goto(`${installation.url}/people`);
  await writer.getByRole('button', { name: 'Invite somebody' }).click();
  await writer.getByLabel('E-mail').fill('ada@example.org');

  const walker = await instructor.newPage();
  await walker.goto(`${installation.url}/account`);
  await walker.getByRole('link', { name: 'API tokens' }).waitFor();

  const learner = await room.person();
  // Local seats: nothing takes long but what is wrong.
  for (const each of [instructor, learner.context]) each.setDefaultTimeout(30_000);
  await joinAs(learner.page, installation, code, 'Ada Lovelace');
  await type(learner.page, 'echo hello > notes.txt; echo made-$((6*7))', 'made-42');
  await learner.page.getByRole('treeitem', { name: /notes\.txt/ }).dblclick();
  await learner.page.locator('.monaco-editor').first().click();
  await learner.page.keyboard.type('not saved yet ');
  await unsaved(learner.page).waitFor();
  // All that a page says while it is away is there a few seconds after the page.
  await learner.page.getByRole('region', { name: /^Notifications/ }).waitFor({ state: 'attached' });
  await teacher.getByText('1 taken').waitFor();
  return { learner, teacher, writer, walker, instructor };
}

const interrupted = (page: Page): Locator => page.getByText('Live updates interrupted, reconnecting');
const unsaved = (page: Page): Locator => page.getByRole('tab', { name: /notes\.txt.*not saved/ });
const unreached = (page: Page): Locator => page.getByText('The server cannot be reached. Nothing is lost');
const connected = (page: Page) => page.getByText('Connected', { exact: true }).waitFor();

/** The edits cannot be saved now; the page says so and keeps them. */
async function saveFails(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Save' }).click();
  await unreached(page).first().waitFor();
  await unsaved(page).waitFor();
}
