import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import type { Page } from 'playwright-core';
import { noBrowser, openRoom, type Room } from './browser/chromium.ts';
import { joinAs, keys, shows, type } from './browser/steps.ts';
import { canRunSeats } from './platform/can-run.ts';
import {
  eventually,
  firstInstructor,
  type Installation,
  newInstallation,
  type Running,
} from './platform/up.ts';

const skip = noBrowser ?? canRunSeats('local').skip;

describe('the page of a seat', skip === undefined ? {} : { skip }, () => {
  let installation: Installation;
  let running: Running;
  let room: Room;
  let page: Page;

  before(async () => {
    installation = await newInstallation('local');
    running = await installation.up();
    room = await openRoom('workspace');
    const { api } = await firstInstructor(installation, running);
    const { code } = await api<WorkshopDetails>('POST', '/api/workshops?wait=ready', {
      name: 'Editing',
      seats: 1,
      runtime: 'local',
    });
    const person = await room.person();
    person.context.setDefaultTimeout(30_000);
    page = person.page;
    await joinAs(page, installation, code, 'Ada');
  });
  after(async () => {
    await room?.close();
    const code = await running?.stop();
    const left = await installation?.leftBehind();
    await installation?.[Symbol.asyncDispose]();
    assert.deepEqual([code, left], [0, []]);
  });

  /** Every story begins and ends with the page as a learner has it who has just come. */
  const story = (name: string, play: () => Promise<void>) =>
    test(name, async () => {
      try {
        await play();
      } catch (error) {
        await room.failed();
        throw error;
      }
    });

  story('takes over what a program writes into an open file, also while the files are hidden', async () => {
    await type(page, 'echo one > live.txt; echo made-$((6*7))', 'made-42');
    await page.getByRole('treeitem', { name: /live\.txt/ }).dblclick();
    const lines = page.locator('.monaco-editor .view-lines');
    await lines.getByText('one').waitFor();
    await page.getByRole('button', { name: 'Files', exact: true }).click();
    await page.getByRole('tree').waitFor({ state: 'detached' });
    await type(page, 'echo two > live.txt; echo wrote-$((6*7))', 'wrote-42');
    await lines.getByText('two').waitFor();

    // Where there is no room beside them, the files are never shown unasked.
    await page.setViewportSize({ width: 390, height: 844 });
    await type(page, 'echo three > live.txt; echo again-$((6*7))', 'again-42');
    await lines.getByText('three').waitFor();
    await page.setViewportSize({ width: 1280, height: 720 });
    await page.getByRole('button', { name: 'Files', exact: true }).click();
    await page.getByRole('button', { name: 'Close live.txt' }).click();
  });

  story('asks before an upload replaces a file, and can be answered by keyboard', async () => {
    await type(page, 'clear; echo mine > main.py; echo mine > lib.py; echo kept-$((6*7))', 'kept-42');
    await page.getByRole('treeitem', { name: /main\.py/ }).waitFor();
    const dialog = page.getByRole('dialog');

    await upload(page, 'main.py');
    await page.getByRole('heading', { name: '“main.py” exists already' }).waitFor();
    await room.picture(page, 'one-taken');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await seatText(page, 'main.py'), 'mine\n');

    await upload(page, 'main.py', 'lib.py', 'new.py');
    await page.getByRole('heading', { name: '2 files exist already' }).waitFor();
    const names = dialog.getByRole('list', { name: 'Files that exist' });
    assert.deepEqual(await names.getByRole('listitem').allTextContents(), ['main.py', 'lib.py']);
    await room.picture(page, 'several-taken');
    assert.equal(await dialog.locator(':focus').count(), 1);
    const keep = dialog.getByRole('button', { name: 'Keep both' }).and(page.locator(':focus'));
    for (let step = 0; step < 8 && (await keep.count()) === 0; step += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText('Uploaded 3 files.', { exact: true }).waitFor();
    assert.equal(await seatText(page, 'main.py'), 'mine\n');
    assert.equal(await seatText(page, 'main (2).py'), 'brought main.py\n');
    assert.equal(await seatText(page, 'new.py'), 'brought new.py\n');

    await upload(page, 'main.py', 'other.py');
    await dialog.getByRole('button', { name: 'Replace' }).click();
    await page.getByText('Uploaded 2 files.', { exact: true }).waitFor();
    assert.equal(await seatText(page, 'main.py'), 'brought main.py\n');

    // Two drops at once are asked about one after the other.
    for (const name of ['main.py', 'lib.py']) {
      const dataTransfer = await page.evaluateHandle(
        `(() => { const dropped = new DataTransfer(); dropped.items.add(new File(['dropped'], '${name}')); return dropped; })()`,
      );
      await page.getByRole('tree', { includeHidden: true }).dispatchEvent('drop', { dataTransfer });
    }
    for (const name of ['main.py', 'lib.py']) {
      await page.getByRole('heading', { name: `“${name}” exists already` }).waitFor();
      await dialog.getByRole('button', { name: name === 'main.py' ? 'Skip it' : 'Replace' }).click();
    }
    await page.getByText('Uploaded lib.py.', { exact: true }).waitFor();
    assert.equal(await seatText(page, 'main.py'), 'brought main.py\n');
    assert.equal(await seatText(page, 'lib.py'), 'dropped');
  });

  story('lets Option type what the keyboard of a Mac has under it', async () => {
    const mac = await page.context().newPage();
    await mac.addInitScript("Object.defineProperty(navigator, 'platform', { value: 'MacIntel' })");
    await mac.goto(page.url());
    await mac.getByText('Connected', { exact: true }).waitFor();
    await type(mac, 'clear; echo mac-$((6*7))', 'mac-42');
    const keyboard = await mac.context().newCDPSession(mac);
    await mac.keyboard.type('echo ');
    for (const text of ['@', '~', '|']) {
      const key = { key: text, text, code: 'KeyL', windowsVirtualKeyCode: 76, modifiers: 1 };
      await keyboard.send('Input.dispatchKeyEvent', { type: 'keyDown', ...key });
      await keyboard.send('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
    }
    await shows(mac, 'echo @~|');
    await mac.keyboard.press('Control+c');
    await mac.close();
  });

  story('keeps the selection of the terminal until it is copied', async () => {
    await type(page, 'clear; echo pick-$((6*7))', 'pick-42');
    await page.evaluate(
      "navigator.clipboard.writeText = () => Promise.reject(new Error('no')); document.execCommand = () => false",
    );
    const { x, y } = (await page.locator('.xterm-screen').boundingBox()) ?? assert.fail('no terminal');
    // In tmux the mouse is the program's unless Shift is held. The first line is what was echoed.
    await page.keyboard.down('Shift');
    await page.mouse.dblclick(x + 20, y + 8);
    await page.keyboard.up('Shift');
    await page.keyboard.press('Control+c');
    await page
      .getByText(/^The browser did not let this be copied/)
      .first()
      .waitFor();
    await page.evaluate('delete navigator.clipboard.writeText; delete document.execCommand');
    await page.keyboard.press('Control+c');
    await eventually('the text is copied', async () =>
      (await page.evaluate<string>('navigator.clipboard.readText()')).includes('pick'),
    );
    // Copied, it is no longer selected: the key is the shell's again.
    await keys(page, 'sleep 600');
    await page.keyboard.press('Control+c');
    await type(page, 'clear; echo interrupted-$((6*7))', 'interrupted-42');
  });

  story('says how the keyboard leaves the terminal, and lets it leave', async () => {
    const input = page.locator('.xterm-helper-textarea');
    await input.focus();
    const hint = page.getByText('F6 leaves');
    await hint.waitFor();
    const description = await input.getAttribute('aria-describedby');
    assert.equal(await page.locator(`[id="${description}"]`).textContent(), 'F6 leaves the terminal');
    await page.keyboard.press('F6');
    assert.equal(await input.and(page.locator(':focus')).count(), 0);
    await hint.waitFor({ state: 'hidden' });
  });

  story('keeps the keys for fingers above the keyboard on the screen', async () => {
    const browser = page.context().browser() ?? assert.fail('no browser');
    const phone = await browser.newContext({
      ...{ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
      storageState: await page.context().storageState(),
    });
    const hand = await phone.newPage();
    await hand.goto(page.url());
    await hand.getByText('Connected', { exact: true }).waitFor();
    assert.match(
      (await hand.locator('meta[name=viewport]').getAttribute('content')) ?? '',
      /interactive-widget=resizes-content/,
    );
    const keysEnd = async () => {
      const { y, height } = (await hand.getByRole('toolbar').boundingBox()) ?? assert.fail('no keys');
      return y + height;
    };
    assert.ok((await keysEnd()) > 420);
    // As where the browser lays its keyboard over the page and tells of it by the visual viewport alone.
    const covered = (seen: number) =>
      hand.evaluate(
        `Object.defineProperty(visualViewport, 'height', { configurable: true, value: ${seen} }); visualViewport.dispatchEvent(new Event('resize'))`,
      );
    await covered(420);
    await eventually('the keys are seen', async () => (await keysEnd()) <= 420);
    await room.picture(hand, 'phone-keyboard');
    await covered(844);
    await eventually('the keys are at the end of the page again', async () => (await keysEnd()) > 420);
    await phone.close();
  });

  story('names what may block a terminal whose seat answers', async () => {
    const behind = await page.context().newPage();
    let blocked = true;
    await behind.routeWebSocket('**/terminal', (socket) => {
      if (blocked) void socket.close({ code: 1011 });
      else socket.connectToServer();
    });
    await behind.goto(page.url());
    await behind.getByText(/A proxy, a VPN or a browser extension may block/).waitFor();
    await room.picture(behind, 'blocked');
    await behind.setViewportSize({ width: 390, height: 844 });
    await room.picture(behind, 'blocked-phone');
    blocked = false;
    await behind.getByRole('button', { name: 'Try now' }).click();
    await behind.getByText('Connected', { exact: true }).waitFor();
    await behind.close();
  });

  story('shows a download that takes its time, begins no second one, and can end it', async () => {
    const asked: string[] = [];
    const held = Promise.withResolvers<void>();
    await page.route('**/files/archive?**', async (route) => {
      asked.push(route.request().url());
      await held.promise;
      await route.continue().catch(() => undefined);
    });
    const everything = page.getByRole('button', { name: 'Download everything' });
    await everything.click();
    await page.getByText('workspace.zip').waitFor();
    await room.picture(page, 'downloading');
    await everything.click({ force: true });
    await page.getByRole('button', { name: 'Cancel the download' }).click();
    await page.getByText('workspace.zip').waitFor({ state: 'detached' });
    assert.equal(asked.length, 1);
    held.resolve();
    await page.unroute('**/files/archive?**');

    const download = page.waitForEvent('download');
    await everything.click();
    assert.equal((await download).suggestedFilename(), 'workspace.zip');
    await page.getByText('workspace.zip').waitFor({ state: 'detached' });
  });
});

/** Chooses files of these names, each with a text that names it. */
async function upload(page: Page, ...names: string[]): Promise<void> {
  const chooser = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: /^Upload files/ }).click();
  await (await chooser).setFiles(
    names.map((name) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(`brought ${name}\n`) })),
  );
}

/** What the seat has under a path, asked beside the page. */
async function seatText(page: Page, path: string): Promise<string> {
  const { base, token } = await seat(page);
  const response = await page.request.get(`${base}/files/content?path=${encodeURIComponent(path)}`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  assert.ok(response.ok(), `${path}: ${response.status()}`);
  return response.text();
}

async function seat(page: Page): Promise<{ base: string; token: string }> {
  const kept = await page.evaluate<string>(
    "localStorage.getItem(Object.keys(localStorage).find((key) => key.startsWith('clarateach.seat.')))",
  );
  const { session } = JSON.parse(kept) as { session: SeatSession };
  return { base: new URL(`${session.endpoint}/vm/${session.seat}`, page.url()).href, token: session.token };
}
