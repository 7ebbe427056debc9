import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { inRoom, noBrowser, type Room } from './browser/chromium.ts';
import { canRunSeats } from './platform/can-run.ts';
import { type Installation, newInstallation, type Running, runToEnd } from './platform/up.ts';

const skip = noBrowser ?? canRunSeats('local').skip;

describe('entry to a workshop', skip === undefined ? {} : { skip }, () => {
  test('from the registration page to the handed-over seat, in real browsers', async () => {
    await using installation = await newInstallation('local');
    const running = await installation.up();
    await inRoom('entry', (room) => story(room, running, installation));
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

async function story(room: Room, running: Running, installation: Installation): Promise<void> {
  const teacher = (await room.person()).page;
  const { registerUrl, joinUrl } = await makeWorkshop(room, teacher, running);

  const ada = (await room.person()).page;
  const adasCode = await register(room, ada, registerUrl, 'Ada Lovelace');
  const bob = (await room.person()).page;
  const bobsCode = await register(room, bob, registerUrl, 'Bob');
  await bob.getByText('number 1 on the waiting list').waitFor();
  await room.picture(bob, 'waiting');

  await importList(room, teacher);
  await teacher.getByRole('link', { name: 'Entry story' }).click();
  await teacher.getByRole('button', { name: 'Start', exact: true }).click();
  await teacher.getByText('3 of 3 seats ready').waitFor({ timeout: 60_000 });

  await refuseJoinCode(room, joinUrl);
  await ada.getByRole('button', { name: 'Go to the workshop' }).click();
  await enter(ada);
  const away = (await room.person({ width: 820, height: 1100 })).page;
  await away.goto(joinUrl);
  await away.getByLabel('Access code').fill(adasCode.toLowerCase().replace('-', ' '));
  await away.getByRole('button', { name: 'Continue' }).click();
  await enter(away);
  await away.getByText('Seat 1', { exact: true }).waitFor();
  await away.close();

  await moveUp(teacher, bob);
  await bob.goto(`${installation.url}/join/${bobsCode.toLowerCase()}`);
  await enter(bob);
  await bob.getByText('Seat 2', { exact: true }).waitFor();

  await handOver(room, teacher, ada);
  await exportList(teacher);
  await shareWithColleague(room, teacher, installation);
}

/** A workshop for registered learners, not yet started, with one place and a question; gives its links. */
async function makeWorkshop(
  room: Room,
  page: Page,
  running: Running,
): Promise<{ registerUrl: string; joinUrl: string }> {
  assert.ok(running.signIn);
  await page.goto(running.signIn);
  await page.getByRole('button', { name: 'New workshop' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Entry story');
  await page.getByLabel('Seats', { exact: true }).fill('3');
  await page.getByLabel(/^API key/).fill('sk-a-key-of-the-story');
  await page.getByLabel('Put the key into every seat').check();
  await page.getByText('Every learner can read and copy this key.').waitFor();
  await page.getByLabel(/Registered/).check();
  await page.getByLabel(/Start the seats at once/).uncheck();
  await room.picture(page, 'new-workshop');
  await page.getByLabel('Put the key into every seat').uncheck();
  await page.getByRole('button', { name: 'Create workshop' }).click();
  await page.getByText('kept, not in the seats').waitFor();
  const joinUrl = await page.getByRole('link', { name: /\/join\// }).getAttribute('href');

  await page.getByRole('link', { name: 'Learners and entry' }).click();
  await page.getByText('Nobody has registered yet').waitFor();
  await page.getByRole('button', { name: 'Change…' }).click();
  await page.getByLabel('Places').fill('0');
  await page.getByRole('button', { name: 'Add a question' }).click();
  await page.getByLabel('Question 1', { exact: true }).fill('Your team');
  await page.getByLabel('required', { exact: true }).check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('Give at least 1 place').waitFor();
  assert.equal(await page.getByLabel('Question 1', { exact: true }).inputValue(), 'Your team');
  await room.picture(page, 'entry-settings');
  await page.getByLabel('Places').fill('1');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('The entry is changed.').first().waitFor();
  const registerUrl = await page.getByRole('link', { name: /\/register\// }).getAttribute('href');
  assert.ok(registerUrl && joinUrl);
  return { registerUrl, joinUrl };
}

/** Registers, after forgetting what was asked; gives the access code as it is shown. */
async function register(room: Room, page: Page, url: string, name: string): Promise<string> {
  await page.goto(url);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: /^(Register|Join the waiting list)$/ }).click();
  await page.getByText('Please answer this.').waitFor();
  assert.equal(await page.getByLabel('Your name').inputValue(), name);
  await room.picture(page, 'register');
  await page.getByLabel('Your team').fill('Blue');
  await page.getByRole('button', { name: /^(Register|Join the waiting list)$/ }).click();
  await page.getByText('Your access code').waitFor();
  await room.picture(page, 'registered');
  const code = (await page.locator('.access-code-letters').textContent()) ?? '';
  assert.match(code, /^[A-Z2-7]{5}-[A-Z2-7]{5}$/);
  await page.reload();
  await page.getByText(code).waitFor();
  return code;
}

async function importList(room: Room, page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Import a list' }).click();
  await page.getByLabel('The list (CSV)').fill('name,email\nGrace,grace@example.org\nNobody,nowhere\n');
  await page.getByRole('button', { name: 'Import', exact: true }).click();
  await page.getByText('Line 3: "nowhere" is not an e-mail address.').waitFor();
  await room.picture(page, 'import-problems');
  await page.getByRole('button', { name: 'Import without these lines' }).click();
  await page.getByRole('row', { name: /Grace/ }).getByText('Waiting · number 2').waitFor();
  await room.picture(page, 'registrations');
}

async function refuseJoinCode(room: Room, joinUrl: string): Promise<void> {
  const { page } = await room.person();
  await page.goto(joinUrl);
  await page.getByText('This workshop is for registered learners.').waitFor();
  await page.getByRole('link', { name: 'Register first' }).waitFor();
  await room.picture(page, 'registered-only');
  await page.close();
}

/** On the join page of an access code: the name is known already. */
async function enter(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Join workshop' }).click();
  await page.getByText('Connected', { exact: true }).waitFor();
}

/** The cap is raised, and whoever waits is told without a reload. */
async function moveUp(teacher: Page, bob: Page): Promise<void> {
  await teacher.getByRole('link', { name: 'Learners and entry' }).click();
  await teacher
    .getByRole('row', { name: /Ada Lovelace/ })
    .getByText(/seat 1/)
    .waitFor();
  await teacher.getByRole('button', { name: 'Change…' }).click();
  await teacher.getByLabel('Places').fill('2');
  await teacher.getByRole('button', { name: 'Save' }).click();
  await bob.getByText('You are registered, Bob.').waitFor();
  await teacher.getByRole('row', { name: /Grace/ }).getByText('Waiting · number 1').waitFor();
}

/** Ada has lost everything: the instructor's link opens her seat once, and her old browser is shown out. */
async function handOver(room: Room, teacher: Page, ada: Page): Promise<void> {
  await teacher.getByRole('link', { name: 'Entry story' }).click();
  await teacher.getByRole('button', { name: 'Actions for seat 1' }).click();
  await teacher.getByRole('menuitem', { name: /Hand over/ }).click();
  const link = (await teacher.locator('.hand-over-link').textContent()) ?? '';
  assert.match(link, /\/hand-over#[\w-]{32}$/);
  await room.picture(teacher, 'hand-over-link');
  await teacher.getByRole('button', { name: 'Done' }).click();

  const found = (await room.person()).page;
  await found.goto(link);
  await found.getByRole('heading', { name: 'Back to your seat' }).waitFor();
  await room.picture(found, 'hand-over');
  await found.getByRole('button', { name: 'Open my seat' }).click();
  await found.getByText('Connected', { exact: true }).waitFor();
  await found.getByText('Seat 1', { exact: true }).waitFor();
  await ada.getByRole('heading', { name: 'You no longer have this seat' }).waitFor();
  await found.reload();
  await found.getByText('Connected', { exact: true }).waitFor();

  const late = (await room.person()).page;
  await late.goto(link);
  await late.getByRole('button', { name: 'Open my seat' }).click();
  await late.getByText(/This link was used already/).waitFor();
  await room.picture(late, 'hand-over-used');
}

async function exportList(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Learners and entry' }).click();
  await page.getByRole('row', { name: /Grace/ }).waitFor();
  const download = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Export' }).click();
  const csv = await readFile(await (await download).path(), 'utf8');
  assert.match(csv, /Ada Lovelace,,[A-Z2-7]{5}-[A-Z2-7]{5},confirmed,.*,1,Blue\r\n/);
  assert.match(csv, /Grace,grace@example\.org,.*,waiting,1,list/);
}

async function shareWithColleague(room: Room, teacher: Page, { data, url }: Installation): Promise<void> {
  const { stdout, code } = await runToEnd(
    ['sign-in-link', '--data', data, '--url', url, '--user', 'grace@school.example'],
    {},
  );
  assert.equal(code, 0);
  const { page } = await room.person();
  await page.goto(stdout.trim());
  await page.getByText('Make your first workshop').waitFor();
  const address = teacher.url();
  await page.goto(address);
  await page.getByRole('heading', { name: /nothing here|not found/i }).waitFor();

  await teacher.getByLabel('Add an instructor').fill('nobody@school.example');
  await teacher.getByRole('button', { name: 'Add', exact: true }).click();
  await teacher.getByText(/No instructor has an account with this address/).waitFor();
  await teacher.getByLabel('Add an instructor').fill('grace@school.example');
  await teacher.getByRole('button', { name: 'Add', exact: true }).click();
  await teacher.getByText('co-instructor').waitFor();

  await page.goto(url);
  await page.getByText('Shared with you').waitFor();
  await page.getByRole('link', { name: 'Entry story' }).click();
  await page.getByRole('button', { name: 'Stop', exact: true }).waitFor();
  assert.equal(await page.getByRole('button', { name: 'More actions' }).count(), 0);
  await room.picture(page, 'co-instructor');

  await teacher.getByRole('button', { name: 'Take grace off the workshop' }).click();
  await teacher.getByRole('button', { name: 'Take off', exact: true }).click();
  await teacher.getByText('co-instructor', { exact: false }).waitFor({ state: 'detached' });
  await page.goto(address);
  await page.getByRole('heading', { name: /nothing here|not found/i }).waitFor();
}
