import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { inRoom, noBrowser, type Room } from '../browser/chromium.ts';
import { joinAs, shows, type, usePreview } from '../browser/steps.ts';
import type { Network, Stage } from './story-stage.ts';
import { eventually, type Running } from './up.ts';

const SEATS = 3;

/** Registers the story of a live workshop on one platform; `skip` says why it cannot run here. */
export function tellStory(name: string, { skip }: { skip?: string }, open: () => Promise<Stage>): void {
  const reason = noBrowser ?? skip;
  describe(`a live workshop on ${name}`, reason === undefined ? {} : { skip: reason }, () => {
    test('from the sign-in link to the deleted workshop, in real browsers', async () => {
      await using stage = await open();
      await inRoom(name, (room) => story(room, stage));
      assert.equal(await stage.running.stop(), 0);
      assert.deepEqual(await stage.leftBehind(), []);
    });
  });
}

async function story(room: Room, { running, url, network, workers }: Stage): Promise<void> {
  const teacher = (await room.person()).page;
  const code = await makeWorkshop(room, teacher, running);

  // Ada reaches the platform by ways that can be cut; a browser's own offline mode leaves WebSockets alone.
  const ada = await room.person();
  await joinAs(ada.page, { url: network.url }, code, 'Ada Lovelace');
  await room.picture(ada.page, 'workspace');
  await workInTerminal(ada.page);
  await editFile(room, ada.page);
  await transferFiles(ada.page);
  await usePreview(room, ada.page);
  await comeBack(room, ada.page, network, { url, code });

  for (let seat = 2; seat <= SEATS; seat++) {
    await joinAs((await room.person()).page, { url }, code, `Learner ${seat}`);
  }
  await refuseOneMore(room, url, code);
  if (workers > 0) await lookAtWorkers(room, teacher, workers);
  await teach(room, teacher, ada.page);
}

/** The operator finds every seat on a machine, and from there back to the workshop. */
async function lookAtWorkers(room: Room, page: Page, count: number): Promise<void> {
  await page.getByRole('button', { name: /Account of/ }).click();
  await page.getByRole('menuitem', { name: 'Workers' }).click();
  await page.getByText(`${count} of ${count}`, { exact: true }).waitFor();
  assert.equal(await page.getByRole('listitem', { name: /^Worker / }).count(), count);
  await page
    .locator('.worker-seat.seat-running')
    .nth(SEATS - 1)
    .waitFor();
  await room.picture(page, 'workers');
  await page.getByRole('link', { name: 'Claude CLI Basics' }).first().click();
  await page.getByRole('listitem', { name: 'Seat 1', exact: true }).waitFor();
}

/** The instructor signs in by the link, makes a workshop and watches its seats come up; gives the join code. */
async function makeWorkshop(room: Room, page: Page, running: Running): Promise<string> {
  assert.ok(running.signIn);
  await page.goto(running.signIn);
  await page.getByRole('button', { name: 'New workshop' }).first().click();
  await page.getByLabel('Name', { exact: true }).fill('Claude CLI Basics');
  await page.getByLabel('Seats', { exact: true }).fill('0');
  await page.getByRole('button', { name: 'Create and start' }).click();
  await page.getByText('A workshop has at least 1 seat.').waitFor();
  assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Claude CLI Basics');
  await room.picture(page, 'wrong-input');
  await page.getByLabel('Seats', { exact: true }).fill(String(SEATS));
  await page.getByRole('button', { name: 'Create and start' }).click();
  await page.getByText(`${SEATS} of ${SEATS} seats ready`).waitFor({ timeout: 240_000 });
  await room.picture(page, 'seats-ready');
  const link = await page.getByRole('link', { name: /\/join\// }).getAttribute('href');
  const code = link?.split('/join/')[1];
  assert.match(code ?? '', /^[A-Z2-7]{6}$/);
  return code as string;
}

async function workInTerminal(page: Page): Promise<void> {
  await type(page, 'echo "I am $(whoami), $((6*7))"', '42');
  await type(page, 'claude --version', 'Claude Code');
  await type(page, 'node --version && git --version && python3 --version', 'Python 3');
  await type(page, 'echo hello > notes.txt; clear; echo made-$((1+1))', 'made-2');
}

async function editFile(room: Room, page: Page): Promise<void> {
  await page.getByRole('treeitem', { name: /notes\.txt/ }).dblclick();
  const editor = page.locator('.monaco-editor').first();
  await editor.waitFor();
  await editor.click();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('typed in the editor');
  // A last line without its end is overwritten when the shell draws its prompt anew.
  await page.keyboard.press('Enter');
  await page.getByRole('tab', { name: /notes\.txt.*not saved/ }).waitFor();
  await room.picture(page, 'unsaved');
  await page.keyboard.press('Control+s');
  await page.getByRole('tab', { name: /notes\.txt.*not saved/ }).waitFor({ state: 'detached' });
  await type(page, 'clear; cat notes.txt', 'typed in the editor');
}

async function transferFiles(page: Page): Promise<void> {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Upload files' }).click();
  await (await chooser).setFiles({
    name: 'brought.txt',
    mimeType: 'text/plain',
    buffer: Buffer.from('from home\n'),
  });
  await page.getByRole('treeitem', { name: /brought\.txt/ }).waitFor();
  await type(page, 'clear; cat brought.txt', 'from home');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download everything' }).click();
  const archive = await readFile(await (await download).path());
  assert.equal(archive.subarray(0, 2).toString(), 'PK');
  assert.match(archive.toString('latin1'), /brought\.txt/);
}

/** A reload, a lost network and another browser all lead back to the same seat and screen. */
async function comeBack(
  room: Room,
  page: Page,
  network: Network,
  { url, code }: { url: string; code: string },
): Promise<void> {
  await type(page, 'clear; echo still-$((40+2))', 'still-42');
  await page.reload();
  await page.getByText('Connected', { exact: true }).waitFor();
  await shows(page, 'still-42');

  network.cut();
  await page.getByText('Connected', { exact: true }).waitFor({ state: 'detached' });
  await room.picture(page, 'network-lost');
  // What is typed meanwhile arrives when the network is back.
  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type('echo typed-$((40+2))');
  await page.keyboard.press('Enter');
  network.mend();
  await page.getByText('Connected', { exact: true }).waitFor({ timeout: 60_000 });
  await shows(page, 'typed-42');

  const odehash = (await page.locator('.status-bar code').first().textContent()) ?? '';
  assert.match(odehash, /^[A-Z2-7]{5,}$/);
  const elsewhere = (await room.person({ width: 1024, height: 768 })).page;
  await elsewhere.goto(`${url}/join/${code}`);
  await elsewhere.getByLabel('Your name').fill('Ada');
  await elsewhere.getByText('I have a return code').click();
  await elsewhere.getByLabel('Return code').fill(odehash.toLowerCase());
  await elsewhere.getByRole('button', { name: 'Return to my seat' }).click();
  await elsewhere.getByText('Connected', { exact: true }).waitFor();
  await elsewhere.getByText('Seat 1', { exact: true }).waitFor();
  await room.picture(elsewhere, 'tablet');
  await type(elsewhere, 'clear; cat notes.txt', 'typed in the editor');
  await elsewhere.close();
}

async function refuseOneMore(room: Room, url: string, code: string): Promise<void> {
  const { page } = await room.person();
  await page.goto(`${url}/join/${code}`);
  await page.getByText(/full/i).first().waitFor();
  await room.picture(page, 'full');
}

/** The instructor restarts and resets a seat, gives more time, stops and deletes. */
async function teach(room: Room, page: Page, ada: Page): Promise<void> {
  const seat = page.getByRole('listitem', { name: 'Seat 1', exact: true });
  await seat.getByText('Ada').waitFor();
  await seat.getByRole('button', { name: 'Actions for seat 1' }).click();
  await page.getByRole('menuitem', { name: /Restart/ }).click();
  await eventually('the learner is connected to the restarted seat', async () => {
    await ada.waitForTimeout(500);
    return (
      (await ada.getByText('Connected', { exact: true }).isVisible()) &&
      (await seat.getByText('Occupied').isVisible())
    );
  });
  await type(ada, 'clear; cat notes.txt', 'typed in the editor');

  await seat.getByRole('button', { name: 'Actions for seat 1' }).click();
  await page.getByRole('menuitem', { name: /Reset/ }).click();
  await room.picture(page, 'confirm-reset');
  await page.getByRole('button', { name: 'Reset and lose the files' }).click();
  await eventually('the seat is as new', async () => {
    const gone = (await ada.getByRole('treeitem', { name: /notes\.txt/ }).count()) === 0;
    return gone && (await ada.getByText('Connected', { exact: true }).isVisible());
  });
  await type(ada, 'clear; ls notes.txt', 'No such file');

  await page.getByRole('button', { name: /Extend/ }).click();
  await page.getByRole('menuitem', { name: '1 hour' }).click();
  await page
    .getByText(/now ends at/)
    .first()
    .waitFor();

  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('button', { name: 'Stop and lose the files' }).click();
  await page.getByRole('button', { name: 'Start again' }).waitFor();
  await ada.getByRole('heading', { name: 'The workshop has ended' }).waitFor();
  await room.picture(ada, 'ended');
  await room.picture(page, 'stopped');

  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: /Delete/ }).click();
  await page.getByRole('button', { name: 'Delete workshop' }).click();
  await eventually('the workshop is gone from the list', async () => {
    await page.goto(new URL('/', page.url()).href);
    await page.getByRole('button', { name: 'New workshop' }).first().waitFor();
    return (await page.getByText('Claude CLI Basics').count()) === 0;
  });
  await room.picture(page, 'nothing-left');
}
