import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { smtpSink } from '@clarateach/server/testing/smtp-sink';
import type { Locator, Page } from 'playwright-core';
import { openAxe, THEMES } from './browser/axe.ts';
import { noBrowser, openRoom, type Room } from './browser/chromium.ts';
import { joinAs, type } from './browser/steps.ts';
import { canRunSeats } from './platform/can-run.ts';
import { type Installation, newInstallation, type Running } from './platform/up.ts';

/** How a time that says its zone ends: "UTC", "GMT+1". */
const ZONE = / [A-Z]{3,5}([+-][\d:]+)?$/;

const skip = noBrowser ?? canRunSeats('local').skip;

/** A page, or a state of one, that is looked at. */
interface Stop {
  readonly path: string;
  /** What shows that the page has come. */
  readonly heading: string | RegExp;
  /** Leads to the state. */
  readonly act?: (page: Page) => Promise<unknown>;
  /** The part that is looked at, where something stands over the page. */
  readonly part?: string;
}

describe('accessibility', skip === undefined ? {} : { skip }, () => {
  test('no page has a serious fault, signed out, as an instructor or as a learner, light or dark', async () => {
    await using installation = await newInstallation('local');
    await using mail = await smtpSink();
    const running = await installation.up({
      env: { SMTP_URL: mail.url, MAIL_FROM: 'ClaraTeach <noreply@example.org>', SIGN_UP: 'open' },
    });
    const room = await openRoom('accessibility');
    try {
      assert.deepEqual(await faults(room, installation, running), []);
    } catch (error) {
      await room.failed();
      throw error;
    } finally {
      await room.close();
      assert.equal(await running.stop(), 0);
    }
    assert.deepEqual(await installation.leftBehind(), []);
  });
});

async function faults(room: Room, installation: Installation, running: Running): Promise<string[]> {
  const teacher = (await room.person()).page;
  assert.ok(running.signIn);
  await teacher.goto(running.signIn);
  const workshop = async (name: string, more: object) => {
    const response = await teacher.request.post(`${installation.url}/api/workshops?wait=ready`, {
      data: { name, runtime: 'local', ...more },
      headers: { Origin: installation.url },
    });
    assert.ok(response.ok(), await response.text());
    return (await response.json()) as { id: string; code: string };
  };
  const open = await workshop('Open to all', { seats: 2 });
  const closed = await workshop('For registered learners', { seats: 1, start: false, entry: 'registered' });
  const learner = (await room.person()).page;
  await joinAs(learner, installation, open.code, 'Ada Lovelace');
  await type(learner, 'echo hello > notes.txt; echo made-$((40+2))', 'made-42');
  await keepsFocus(learner);
  const stranger = (await room.person()).page;
  await saysInForcedColors(room, learner, `${installation.url}/w/${open.id}`);
  await saysInForcedColors(room, teacher, `${installation.url}/workshops/${open.id}`);

  return [
    ...(await visit(stranger, installation, signedOut(open, closed))),
    ...(await visit(teacher, installation, asInstructor(open, closed))),
    ...(await visit(learner, installation, asLearner(open))),
  ];
}

/** Whatever is begun by keyboard gives the focus back when it ends. */
async function keepsFocus(page: Page): Promise<void> {
  const focused = (part: Locator) => part.and(page.locator(':focus')).waitFor();
  const row = (name: string) => page.getByRole('treeitem', { name, exact: true });
  const rename = async (from: string, to: string) => {
    await page.keyboard.press('F2');
    await focused(page.getByLabel(`New name of ${from}`));
    await page.keyboard.type(to.replace('.txt', ''));
    await page.keyboard.press('Enter');
    await focused(row(to));
  };
  await row('notes.txt').focus();
  await rename('notes.txt', 'diary.txt');
  await page.keyboard.press('F2');
  await focused(page.getByLabel('New name of diary.txt'));
  await page.keyboard.press('Escape');
  await focused(row('diary.txt'));
  await row('diary.txt').click({ button: 'right' });
  await page.getByRole('menu').waitFor();
  await page.keyboard.press('Escape');
  await focused(row('diary.txt'));
  await row('diary.txt').click({ button: 'right' });
  await page.getByRole('menuitem', { name: /^Delete/ }).press('Enter');
  await page.getByRole('alertdialog').waitFor();
  await page.keyboard.press('Escape');
  await focused(row('diary.txt'));

  await page.getByRole('button', { name: 'New file' }).press('Enter');
  await focused(page.getByLabel('Name of the new file'));
  await page.keyboard.press('Escape');
  await focused(row('diary.txt'));
  await page.getByRole('button', { name: 'New folder' }).press('Enter');
  await page.getByLabel('Name of the new folder').fill('album');
  await page.keyboard.press('Enter');
  await focused(row('album'));
  await page.keyboard.press('Delete');
  await page.getByRole('button', { name: 'Delete', exact: true }).press('Enter');
  await focused(row('diary.txt'));
  await rename('diary.txt', 'notes.txt');

  const help = page.getByRole('button', { name: 'Help and keyboard shortcuts' }).first();
  await help.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await focused(help);
}

/** What a background says on other screens is seen as well by a reader who forces their own colours. */
async function saysInForcedColors(room: Room, page: Page, url: string): Promise<void> {
  await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce' });
  await page.goto(url);
  const looks = (part: Locator) => part.screenshot({ animations: 'disabled' });
  if (url.includes('/w/')) {
    const files = page.getByRole('button', { name: 'Files', exact: true });
    await files.press('Enter');
    const off = await looks(files);
    await files.press('Enter');
    assert.notDeepEqual(await looks(files), off, 'a pressed button looks like one that is not');
  } else {
    await page.locator('.seat-bar .ready').waitFor();
    const color = (part: string) =>
      page.evaluate<string>(`getComputedStyle(document.querySelector('${part}')).backgroundColor`);
    assert.notEqual(await color('.seat-bar .occupied'), await color('body'), 'a taken seat is not seen');
    await page.getByRole('button', { name: 'Actions for seat 1' }).press('Enter');
    const [first, second] = await page.getByRole('menuitem').all();
    await page.keyboard.press('ArrowDown');
    assert.ok(first && second);
    const other = await looks(first);
    await page.keyboard.press('ArrowUp');
    assert.notDeepEqual(await looks(first), other, 'the chosen item of a menu is not seen');
  }
  await room.picture(page, 'forced-colors');
  await page.emulateMedia({ forcedColors: 'none' });
}

async function visit(page: Page, { url }: Installation, stops: readonly Stop[]): Promise<string[]> {
  const found: string[] = [];
  for (const theme of THEMES) {
    const axe = await openAxe(page, theme);
    for (const { path, heading, act, part } of stops) {
      await page.goto(url + path);
      await page.getByRole('heading', { name: heading }).first().waitFor();
      await act?.(page);
      for (const fault of await axe.faults(part)) found.push(`${path} (${theme}): ${fault}`);
    }
  }
  return found;
}

interface Made {
  readonly id: string;
  readonly code: string;
}

const press = (page: Page, name: string) => page.getByRole('button', { name, exact: true }).first().click();

function signedOut(open: Made, closed: Made): Stop[] {
  return [
    { path: '/', heading: /^One code/ },
    { path: '/sign-in?error=link', heading: 'Sign in', act: (page) => page.getByText('New here?').waitFor() },
    {
      path: '/sign-in',
      heading: 'Sign in',
      async act(page) {
        await page.getByLabel('E-mail').fill('ada@example.org');
        await page.getByLabel('Password').fill('wrong');
        await press(page, 'Sign in');
        await page.getByText('The e-mail address or the password is wrong.').waitFor();
      },
    },
    {
      path: '/sign-up',
      heading: 'Make an account',
      async act(page) {
        await press(page, 'Go on');
        await page.getByText('Type your name').waitFor();
        await page.locator('input[name=name]:focus').waitFor();
      },
    },
    { path: '/forgotten', heading: 'Forgotten password' },
    {
      path: `/enter#${'x'.repeat(32)}`,
      heading: 'Your link',
      act: (page) => page.getByText('A link works once').waitFor(),
    },
    { path: '/join', heading: 'Join a workshop', act: (page) => press(page, 'Continue') },
    {
      path: `/join/${open.code}`,
      heading: 'Open to all',
      async act(page) {
        await page.getByText('I have a return code').click();
        await page.getByLabel('Return code').waitFor();
        await press(page, 'Join workshop');
        await page.getByText('Type your name').waitFor();
      },
    },
    { path: `/join/${closed.code}`, heading: 'For registered learners' },
    { path: `/register/${closed.code}`, heading: 'For registered learners' },
    { path: '/hand-over', heading: 'Back to your seat' },
    { path: `/w/${closed.id}`, heading: 'This browser has no seat here' },
    { path: '/nowhere', heading: 'There is nothing here' },
  ];
}

function asInstructor(open: Made, closed: Made): Stop[] {
  return [
    { path: '/', heading: 'Open to all' },
    {
      path: '/',
      heading: 'Workshops',
      async act(page) {
        await press(page, 'New workshop');
        await page.getByLabel(/^API key/).fill('sk-a-key');
        await press(page, 'Create and start');
        await page.getByText('Give the workshop a name').waitFor();
      },
    },
    {
      path: '/',
      heading: 'Workshops',
      act: (page) => press(page, 'Account of Administrator'),
      part: '.menu',
    },
    { path: `/workshops/${open.id}`, heading: 'Open to all' },
    {
      path: `/workshops/${open.id}`,
      heading: 'Open to all',
      act: (page) =>
        page
          .getByRole('button', { name: /seat 1/i })
          .first()
          .click(),
      part: '.menu',
    },
    { path: `/workshops/${closed.id}`, heading: 'For registered learners' },
    { path: `/workshops/${open.id}/projector`, heading: 'Open to all' },
    { path: `/workshops/${closed.id}/learners`, heading: 'Nobody has registered yet' },
    {
      path: `/workshops/${closed.id}/learners`,
      heading: 'Learners and entry',
      act: (page) => press(page, 'Import a list'),
    },
    {
      path: `/workshops/${closed.id}/learners`,
      heading: 'Learners and entry',
      act: (page) => press(page, 'Change…'),
    },
    { path: '/people', heading: 'People' },
    {
      path: '/people',
      heading: 'People',
      async act(page) {
        await press(page, 'Invite somebody');
        await press(page, 'Invite');
        await page.getByText('Type an e-mail address').waitFor();
      },
    },
    { path: '/account', heading: 'Your account', act: (page) => page.getByText('this browser').waitFor() },
    { path: '/account/tokens', heading: 'API tokens' },
    { path: '/account/tokens', heading: 'API tokens', act: (page) => press(page, 'New token') },
    {
      path: '/admin/audit',
      heading: 'Audit log',
      act: (page) => page.locator('time', { hasText: ZONE }).first().waitFor(),
    },
    { path: '/admin/audit', heading: 'Audit log', act: (page) => press(page, 'A person’s data…') },
    { path: '/workers', heading: 'This server runs the seats itself' },
    { path: '/workshops/ws-aaaaaaaa', heading: 'There is nothing here' },
  ];
}

function asLearner({ id }: Made): Stop[] {
  const path = `/w/${id}`;
  const heading = /^Workspace of Ada Lovelace/;
  const opened = async (page: Page) => {
    await page.getByRole('treeitem', { name: /notes\.txt/ }).waitFor();
    await page.getByText('Connected', { exact: true }).waitFor();
  };
  const then = (act: (page: Page) => Promise<unknown>) => async (page: Page) => {
    await opened(page);
    await act(page);
  };
  return [
    { path, heading, act: opened },
    {
      path,
      heading,
      act: then(async (page) => {
        await page.getByRole('treeitem', { name: /notes\.txt/ }).dblclick();
        await page.locator('.monaco-editor .view-line').first().waitFor();
      }),
    },
    {
      path,
      heading,
      act: then(async (page) => {
        await press(page, 'Preview');
        await page.getByText('Nothing to show yet').waitFor();
      }),
    },
    { path, heading, act: then((page) => press(page, 'Help and keyboard shortcuts')) },
    {
      path,
      heading,
      act: then((page) => page.getByRole('button', { name: /^Your return code/ }).click()),
      part: '.popover',
    },
  ];
}
