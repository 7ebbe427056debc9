import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type SmtpSink, smtpSink } from '@clarateach/server/testing/smtp-sink';
import type { Page } from 'playwright-core';
import { inRoom, noBrowser, type Room } from './browser/chromium.ts';
import { canRunSeats } from './platform/can-run.ts';
import { type Installation, newInstallation, type Running } from './platform/up.ts';

const skip = noBrowser ?? canRunSeats('local').skip;
const ADA = 'ada@example.org';
const FIRST = 'analytical engine no 1';
const SECOND = 'analytical engine no 2';

describe('accounts', skip === undefined ? {} : { skip }, () => {
  test('from an invitation to an API token, with real mail and real browsers', async () => {
    await using mail = await smtpSink();
    await using installation = await newInstallation('local');
    const running = await installation.up({
      env: { SMTP_URL: mail.url, MAIL_FROM: 'ClaraTeach <noreply@example.org>', SIGN_UP: 'open' },
    });
    await inRoom('accounts', (room) => story({ room, mail, installation, running }));
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

interface Story {
  readonly room: Room;
  readonly mail: SmtpSink;
  readonly installation: Installation;
  readonly running: Running;
}

async function story(of: Story): Promise<void> {
  const { room, mail, installation } = of;
  const admin = await firstAdmin(of);
  await invite(of, admin);

  const laptop = (await room.person()).page;
  await accept(of, laptop);

  const phone = (await room.person({ width: 390, height: 780 })).page;
  await signInByPassword(of, phone, FIRST);
  const library = (await room.person()).page;
  await signInByMail(of, library);

  await resetPassword(of, laptop);
  // The new password has signed everybody else out.
  await phone.goto(`${installation.url}/account`);
  await phone.getByRole('heading', { name: 'Sign in' }).waitFor();
  await signInByPassword(of, phone, SECOND);

  await endSession(of, laptop, phone);
  await useToken(of, laptop);
  await signUp(of);
  await disable(of, admin, laptop);
  assert.ok(mail.mails.every(({ link }) => link === undefined || link.startsWith(installation.url)));
}

/** The one-time link, and a password with it. */
async function firstAdmin({ room, mail, running }: Story): Promise<Page> {
  const { page } = await room.person();
  assert.ok(running.signIn);
  await page.goto(running.signIn);
  await page.getByRole('link', { name: 'Set a password' }).click();
  await page.getByLabel('Name').fill('Grace Hopper');
  await page.getByLabel('E-mail').fill('grace@example.org');
  await page.getByLabel('Password').fill('short');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('A password has at least 10 characters.').waitFor();
  assert.equal(await page.getByLabel('E-mail').inputValue(), 'grace@example.org');
  await page.getByLabel('Password').fill('a compiler is a program');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('grace@example.org is not confirmed yet.').waitFor();
  await room.picture(page, 'account');
  const { link } = await mail.take('grace@example.org');
  await page.goto(link ?? '');
  await page.getByRole('button', { name: 'Confirm this address' }).click();
  await page.getByText('grace@example.org is confirmed.').waitFor();
  await page.getByRole('link', { name: 'Go on' }).click();
  return page;
}

async function invite({ room }: Story, page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Account of Grace Hopper' }).click();
  await page.getByRole('menuitem', { name: 'People' }).click();
  await page.getByRole('button', { name: 'Invite somebody' }).click();
  await page.getByLabel('E-mail').fill('ada');
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  await page.getByText('Type an e-mail address').waitFor();
  await room.picture(page, 'invite');
  await page.getByLabel('E-mail').fill(ADA);
  await page.getByRole('button', { name: 'Invite', exact: true }).click();
  await page.getByText('The invitation is sent').waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText(ADA).waitFor();
  await room.picture(page, 'people');
}

async function accept({ room, mail, installation }: Story, page: Page): Promise<void> {
  const { link } = await mail.take(ADA);
  assert.ok(link);
  await page.goto(link);
  await page.getByRole('heading', { name: 'Welcome to ClaraTeach' }).waitFor();
  await page.getByLabel('Name').fill('Ada Lovelace');
  await page.getByLabel('Password').fill('too short');
  await page.getByRole('button', { name: 'Make my account' }).click();
  await page.getByText('A password has at least 10 characters.').waitFor();
  assert.equal(await page.getByLabel('Name').inputValue(), 'Ada Lovelace');
  await room.picture(page, 'invitation');
  await page.getByLabel('Password').fill(FIRST);
  await page.getByRole('button', { name: 'Make my account' }).click();
  await page.getByRole('button', { name: 'Account of Ada Lovelace' }).waitFor();
  await page.goto(`${installation.url}/account`);
  await page.goto(link);
  await page.getByText('This link was used already').waitFor();
}

async function signInByPassword({ room, installation }: Story, page: Page, password: string): Promise<void> {
  await page.goto(`${installation.url}/sign-in`);
  await page.getByLabel('E-mail').fill(ADA);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('The e-mail address or the password is wrong.').waitFor();
  assert.equal(await page.getByLabel('E-mail').inputValue(), ADA);
  await room.picture(page, 'sign-in');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('button', { name: 'Account of Ada Lovelace' }).waitFor();
}

async function signInByMail({ mail, installation }: Story, page: Page): Promise<void> {
  await page.goto(`${installation.url}/sign-in`);
  await page.getByLabel('E-mail').fill(ADA);
  await page.getByRole('button', { name: 'Mail me a sign-in link' }).click();
  await page.getByText('a mail with a link is on its way').waitFor();
  const { link } = await mail.take(ADA);
  await page.goto(link ?? '');
  await page.getByText(`For ${ADA}.`).waitFor();
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('button', { name: 'Account of Ada Lovelace' }).waitFor();
}

async function resetPassword({ room, mail, installation }: Story, page: Page): Promise<void> {
  await page.goto(`${installation.url}/sign-in`);
  await page.getByRole('link', { name: 'Forgotten your password?' }).click();
  // The page that is left has a field of this name, too.
  await page.getByRole('heading', { name: 'Forgotten password' }).waitFor();
  await page.getByLabel('E-mail').fill(ADA);
  await page.getByRole('button', { name: 'Mail me a link' }).click();
  await page.getByText('a mail with a link is on its way').waitFor();
  await room.picture(page, 'mail-asked');
  const { link } = await mail.take(ADA);
  await page.goto(link ?? '');
  await page.getByLabel('New password').fill(SECOND);
  await room.picture(page, 'reset');
  await page.getByRole('button', { name: 'Save and sign in' }).click();
  await page.getByRole('button', { name: 'Account of Ada Lovelace' }).waitFor();
}

async function endSession({ room, installation }: Story, laptop: Page, phone: Page): Promise<void> {
  await laptop.goto(`${installation.url}/account`);
  const list = laptop.getByRole('region', { name: 'Where you are signed in' });
  await list.getByText('this browser').waitFor();
  assert.equal(await list.getByRole('listitem').count(), 2);
  await room.picture(laptop, 'sessions');
  await list.getByRole('button', { name: /^End the session of/ }).click();
  await laptop.getByText('The session is ended.', { exact: true }).waitFor();
  await phone.goto(`${installation.url}/account`);
  await phone.getByRole('heading', { name: 'Sign in' }).waitFor();
}

/** A token that may only read reads, and changes nothing. */
async function useToken({ room, installation }: Story, page: Page): Promise<void> {
  await page.getByRole('link', { name: 'API tokens' }).click();
  await page.getByRole('button', { name: 'New token' }).click();
  await page.getByLabel('Name').fill('Reader');
  await page.getByLabel('Make, start, stop and delete workshops').uncheck();
  await room.picture(page, 'new-token');
  await page.getByRole('button', { name: 'Make token' }).click();
  const token = await page.locator('.secret code').textContent();
  await page.getByRole('button', { name: 'I have copied it' }).click();
  await page.getByText('sees workshops').waitFor();
  await room.picture(page, 'tokens');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const ask = (path: string, init: RequestInit = {}) =>
    fetch(`${installation.url}${path}`, { headers, ...init });
  assert.equal((await ask('/api/workshops')).status, 200);
  const refused = await ask('/api/workshops', { method: 'POST', body: '{"name":"No","seats":1}' });
  assert.equal(refused.status, 403);
  assert.match(await refused.text(), /lacks the scope workshops:write/);
  assert.equal((await ask('/api/admin/people')).status, 403);
  await page.getByRole('button', { name: 'Revoke Reader' }).click();
  await page.getByRole('button', { name: 'Revoke token' }).click();
  await page.getByText('The token is revoked.', { exact: true }).waitFor();
  assert.equal((await ask('/api/workshops')).status, 401);
}

async function signUp({ room, mail, installation }: Story): Promise<void> {
  const { page } = await room.person();
  await page.goto(`${installation.url}/sign-in`);
  await page.getByRole('link', { name: 'Make an account' }).click();
  await page.getByLabel('Name').fill('Alan Turing');
  await page.getByLabel('E-mail').fill('alan@example.org');
  await room.picture(page, 'sign-up');
  await page.getByRole('button', { name: 'Go on' }).click();
  const { link } = await mail.take('alan@example.org');
  await page.goto(link ?? '');
  assert.equal(await page.getByLabel('Name').inputValue(), 'Alan Turing');
  await page.getByLabel('Password').fill('can machines think');
  await page.getByRole('button', { name: 'Make my account' }).click();
  await page.getByRole('button', { name: 'Account of Alan Turing' }).waitFor();
}

async function disable({ room, installation }: Story, admin: Page, ada: Page): Promise<void> {
  await admin.goto(`${installation.url}/people`);
  await admin.getByRole('button', { name: 'Actions for Ada Lovelace' }).click();
  await admin.getByRole('menuitem', { name: 'Disable…' }).click();
  await admin.getByRole('button', { name: 'Disable', exact: true }).click();
  await admin.getByText('Ada Lovelace is disabled.', { exact: true }).waitFor();
  await room.picture(admin, 'people-disabled');
  await ada.goto(`${installation.url}/account`);
  await ada.getByRole('heading', { name: 'Sign in' }).waitFor();
  await ada.getByLabel('E-mail').fill(ADA);
  await ada.getByLabel('Password').fill(SECOND);
  await ada.getByRole('button', { name: 'Sign in', exact: true }).click();
  await ada.getByText('This account is disabled.').waitFor();
}
