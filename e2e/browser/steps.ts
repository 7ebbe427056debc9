import { freePort } from '@clarateach/server/testing/free-port';
import type { Locator, Page } from 'playwright-core';
import { eventually } from '../platform/up.ts';
import type { Room } from './chromium.ts';

/** What learners do in their browsers, in more than one story. */

export async function joinAs(
  page: Page,
  { url }: { readonly url: string },
  code: string,
  name: string,
): Promise<void> {
  await page.goto(`${url}/join/${code}`);
  await page.getByLabel('Your name').fill(name);
  await page.getByRole('button', { name: 'Join workshop' }).click();
  await page.getByText('Connected', { exact: true }).waitFor();
}

const screen = (page: Page): Locator => page.locator('.xterm-accessibility-tree');

/** Types a command; what it prints is read by the terminal's own support for screen readers. */
export async function type(page: Page, command: string, expected: string): Promise<void> {
  const readable = page.getByRole('button', { name: 'Screen reader mode of the terminal' });
  if ((await readable.getAttribute('aria-pressed')) !== 'true') await readable.click();
  await keys(page, command);
  await shows(page, expected);
}

/** Types a command, whether anybody takes it or not. */
export async function keys(page: Page, command: string): Promise<void> {
  await page.locator('.xterm-helper-textarea').focus();
  await page.keyboard.type(command);
  await page.keyboard.press('Enter');
}

export async function shows(page: Page, expected: string): Promise<void> {
  await eventually(`the terminal shows ${expected}`, async () =>
    ((await screen(page).textContent()) ?? '').includes(expected),
  );
}

/** Writes a page, serves it inside the seat, and looks at it in the preview. */
export async function usePreview(room: Room, page: Page): Promise<void> {
  // Local seats share the ports of this machine.
  const port = await freePort();
  await type(
    page,
    `clear; echo '<h1>Made by Ada</h1>' > index.html; python3 -m http.server ${port} >/dev/null 2>&1 & echo up-$((1+1))`,
    'up-2',
  );
  await page.getByRole('button', { name: 'Preview', exact: true }).click();
  const pane = page.getByRole('region', { name: 'Preview' });
  await pane
    .getByRole('button', { name: String(port) })
    .first()
    .click();
  await pane.locator('iframe').contentFrame().getByRole('heading', { name: 'Made by Ada' }).waitFor();
  await room.picture(page, 'preview');
  await pane.getByRole('button', { name: 'Close the preview' }).click();
}
