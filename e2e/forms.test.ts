import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { smtpSink } from '@clarateach/server/testing/smtp-sink';
import type { Page } from 'playwright-core';
import { inRoom, noBrowser, type Room } from './browser/chromium.ts';
import { canRunSeats } from './platform/can-run.ts';
import { eventually, type Installation, newInstallation, type Running } from './platform/up.ts';

const skip = noBrowser ?? canRunSeats('local').skip;
const ME = /\/api\/account$/;
const SHORT_PASSWORD = /^A password has at least 10 characters/;
const ADDRESS = /^Type an e-mail address/;

describe('forms', skip === undefined ? {} : { skip }, () => {
  test('say everything that is wrong at once, lead to the first of it, and keep what was typed', async () => {
    await using mail = await smtpSink();
    await using installation = await newInstallation('local');
    const running = await installation.up({
      env: { SMTP_URL: mail.url, MAIL_FROM: 'ClaraTeach <noreply@example.org>', SIGN_UP: 'open' },
    });
    await inRoom('forms', async (room) => {
      const links = await instructorsForms(room, installation, running);
      const { link } = await mail.take('ada@example.org');
      await strangersForms(room, installation, { ...links, invitation: link ?? '' });
    });
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

interface Mistakes {
  readonly picture: string;
  /** What is typed, by label. */
  readonly typed: Readonly<Record<string, string>>;
  readonly action: string;
  /** What the form has to say, all of it, in the order of its fields. */
  readonly says: readonly (string | RegExp)[];
}

/** Makes mistakes in the form that is shown. */
async function mistake(room: Room, page: Page, { picture, typed, action, says }: Mistakes): Promise<void> {
  const field = (label: string) => page.getByLabel(label).first();
  for (const [label, value] of Object.entries(typed)) await field(label).fill(value);
  await page.getByRole('button', { name: action, exact: true }).click();
  const errors = page.locator('form .field-error');
  await errors.first().waitFor();
  await room.picture(page, picture);
  const said = await errors.allTextContents();
  const asExpected = said.length === says.length && says.every((each, at) => fits(said[at] ?? '', each));
  assert.ok(asExpected, `${picture} says ${JSON.stringify(said)}`);
  for (const [label, value] of Object.entries(typed)) assert.equal(await field(label).inputValue(), value);
  await page
    .locator('form :is([aria-invalid="true"], [data-wrong] input)')
    .first()
    .and(page.locator(':focus'))
    .waitFor();
}

const fits = (said: string, expected: string | RegExp) =>
  typeof expected === 'string' ? said === expected : expected.test(said);

interface Links {
  readonly join: string;
  readonly register: string;
}

async function instructorsForms(room: Room, { url }: Installation, running: Running): Promise<Links> {
  const { page } = await room.person();
  assert.ok(running.signIn);
  await page.goto(running.signIn);
  const button = (name: string) => page.getByRole('button', { name, exact: true }).first();

  await button('New workshop').click();
  await mistake(room, page, {
    picture: 'new-workshop',
    typed: { Name: ' ', Seats: '0', 'Join code': 'a!', 'API key for the AI assistant': 'short' },
    action: 'Create and start',
    says: [
      'Give the workshop a name.',
      'A workshop has at least 1 seat.',
      /^A join code is 4 to 32/,
      /^This is too short for an API key/,
    ],
  });
  await page.getByLabel('Name', { exact: true }).fill('Forms');
  await page.getByLabel('Seats', { exact: true }).fill('1');
  await page.getByLabel(/^Join code/).fill('forms-1');
  await page.getByLabel(/^API key/).fill('');
  await page.getByLabel(/Start the seats at once/).uncheck();
  await button('Create workshop').click();
  await page.getByRole('heading', { name: 'Forms' }).waitFor();

  await page.getByRole('link', { name: 'Learners and entry' }).click();
  await button('Change…').click();
  await button('Add a question').click();
  await page.getByLabel('required', { exact: true }).check();
  await button('Add a question').click();
  await button('Add a question').click();
  await mistake(room, page, {
    picture: 'entry-settings',
    typed: { Places: '0', 'Question 1': 'Your team', 'Question 2': ' ' },
    action: 'Save',
    says: [/^Give at least 1 place/, 'A question needs a text.', 'A question needs a text.'],
  });
  // What was said of the second question is not said of the one that takes its place.
  await button('Remove question 2').click();
  assert.equal(await page.locator('form .field-error').count(), 0);
  await page.getByLabel('Question 2', { exact: true }).fill('Your city');
  await page.getByLabel('Places').fill('');
  await button('Save').click();
  await page.getByText('The entry is changed.').first().waitFor();

  await learnersPageComesBack(await page.context().newPage(), page.url());

  await page.goto(`${url}/account/tokens`);
  await button('New token').click();
  for (const box of await page.getByRole('dialog').getByRole('checkbox').all()) await box.uncheck();
  await mistake(room, page, {
    picture: 'new-token',
    typed: { Name: ' ' },
    action: 'Make token',
    says: ['Give the token a name.', 'Choose at least one thing that the token may do.'],
  });
  await page.getByLabel('Name').fill('Laptop');
  await button('Make token').click();
  await page.locator('[data-wrong] input:focus').waitFor();
  await copyToken(page);

  await page.goto(`${url}/admin/audit`);
  await button('A person’s data…').click();
  await page.getByLabel('Whose').selectOption('A learner, by name in a workshop');
  await mistake(room, page, {
    picture: 'personal-data',
    typed: { Workshop: 'forms', Name: ' ' },
    action: 'Export as JSON',
    says: [/^A workshop id is/, 'Type the name that the learner joined with.'],
  });

  await page.goto(`${url}/people`);
  await button('Invite somebody').click();
  await page.getByLabel('E-mail').fill('ada@example.org');
  await button('Invite').click();
  await page.getByText('The invitation is sent').waitFor();

  await page.goto(`${url}/account`);
  await page.getByLabel('Name').fill('Grace Hopper');
  await page.getByLabel('E-mail').fill('grace@example.org');
  await page.getByLabel('Password').fill('a compiler is a program');
  await button('Save').click();
  await page.getByLabel('Current password').waitFor();
  await page.reload();
  await mistake(room, page, {
    picture: 'account',
    typed: { Name: ' ', 'E-mail': 'grace', 'New password': 'short' },
    action: 'Save',
    says: ['Type your name.', ADDRESS, 'Type your current password to change this.', SHORT_PASSWORD],
  });
  return { join: `${url}/join/forms1`, register: `${url}/register/forms1` };
}

/** What could not be loaded is loaded by trying again, and a page that is there is not taken away. */
async function learnersPageComesBack(page: Page, url: string): Promise<void> {
  const heading = page.getByRole('heading', { name: 'Learners and entry' });
  const workshop = /\/api\/workshops\/ws-\w+$/;
  const fails = (path: RegExp) => page.route(path, (route) => route.fulfill({ status: 500 }));
  await page.clock.install();
  await fails(workshop);
  await page.goto(url);
  const again = page.getByRole('button', { name: 'Try again' });
  await eventually('it says that it failed', async () => {
    await page.clock.runFor(1_000);
    return again.isVisible();
  });
  await page.unroute(workshop);
  await again.click();
  await heading.waitFor();

  // Who is signed in is asked again when a page is looked at after a while.
  let asked = 0;
  page.on('response', (response) => {
    if (ME.test(response.url())) asked += 1;
  });
  await fails(ME);
  await page.clock.fastForward('02:00');
  await page.evaluate('dispatchEvent(new Event("visibilitychange"))');
  await eventually('it was asked as often as is tried', async () => {
    await page.clock.runFor(1_000);
    return asked === 3;
  });
  await page.clock.runFor(1_000);
  assert.ok(await heading.isVisible());
  await page.close();
}

/** Without TLS a page has no clipboard of its own; what it says is copied can be pasted all the same. */
async function copyToken(page: Page): Promise<void> {
  const opener = page.getByRole('button', { name: 'New token', exact: true }).first();
  const hasFocus = () => opener.and(page.locator(':focus')).waitFor();
  await page.evaluate('Object.defineProperty(navigator, "clipboard", { value: undefined })');
  await page.getByLabel('See your workshops and their seats').check();
  await page.getByRole('button', { name: 'Make token' }).click();
  await page.getByRole('heading', { name: 'Your new token' }).waitFor();
  const token = await page.getByRole('dialog').locator('code').textContent();
  await page.getByRole('button', { name: 'Copy the token' }).press('Enter');
  await page.getByRole('button', { name: 'Copied the token' }).and(page.locator(':focus')).waitFor();
  await page.getByRole('button', { name: 'I have copied it' }).press('Enter');
  await hasFocus();
  await opener.press('Enter');
  await page.getByLabel('Name').press('Control+V');
  assert.equal(await page.getByLabel('Name').inputValue(), token);
  await page.keyboard.press('Escape');
  await hasFocus();

  // From a menu, whose button has the focus when all is over.
  const account = page.getByRole('button', { name: /^Account of/ });
  await account.press('Enter');
  await page.keyboard.press('Escape');
  await account.and(page.locator(':focus')).waitFor();
}

async function strangersForms(
  room: Room,
  { url }: Installation,
  { register, invitation }: Links & { readonly invitation: string },
): Promise<void> {
  const { page } = await room.person({ width: 390, height: 780 });
  await page.goto(register);
  await mistake(room, page, {
    picture: 'register',
    typed: { 'Your name': ' ', 'E-mail address': 'ada', 'Your city': 'Ghent' },
    action: 'Register',
    says: [/^Type your name/, ADDRESS, 'Please answer this.'],
  });

  await page.goto(invitation);
  await page.getByRole('heading', { name: 'Welcome to ClaraTeach' }).waitFor();
  await mistake(room, page, {
    picture: 'invitation',
    typed: { Name: ' ', Password: 'short' },
    action: 'Make my account',
    says: ['Type your name.', SHORT_PASSWORD],
  });

  await page.goto(`${url}/sign-up`);
  await mistake(room, page, {
    picture: 'sign-up',
    typed: { Name: ' ', 'E-mail': 'ada' },
    action: 'Go on',
    says: ['Type your name.', ADDRESS],
  });

  await page.goto(`${url}/sign-in`);
  await mistake(room, page, {
    picture: 'sign-in',
    typed: { 'E-mail': '', Password: '' },
    action: 'Sign in',
    says: ['Type your e-mail address.', 'Type your password.'],
  });
}
