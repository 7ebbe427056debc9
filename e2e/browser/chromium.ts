import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launchChromium } from '@clarateach/bench/chromium';
import type { BrowserContext, Page } from 'playwright-core';

/** The runner says where pictures are kept. */
const ARTIFACTS = join(
  process.env.CLARATEACH_ARTIFACTS ?? join(import.meta.dirname, '../artifacts'),
  'screenshots',
);

export { noBrowser } from '@clarateach/bench/chromium';

/** People at their own machines: one browser, a separate profile each. */
export interface Room {
  /** A new person's browser. */
  person(size?: { width: number; height: number }): Promise<{ page: Page; context: BrowserContext }>;
  /** Keeps a picture of what the person sees, in the order they are taken. */
  picture(page: Page, name: string): Promise<void>;
  /** Pictures of everybody's screen, and what went wrong in their browsers, for whoever looks into a failure. */
  failed(): Promise<void>;
  close(): Promise<void>;
}

/** Plays a story among people with browsers; keeps pictures of their screens when it fails. */
export async function inRoom(name: string, story: (room: Room) => Promise<void>): Promise<void> {
  const room = await openRoom(name);
  try {
    await story(room);
  } catch (error) {
    await room.failed();
    throw error;
  } finally {
    await room.close();
  }
}

export async function openRoom(story: string): Promise<Room> {
  const browser = await launchChromium();
  await mkdir(ARTIFACTS, { recursive: true });
  let taken = 0;
  const troubles: string[] = [];
  return {
    async person(size = { width: 1280, height: 720 }) {
      const context = await browser.newContext({
        viewport: size,
        permissions: ['clipboard-read', 'clipboard-write'],
        acceptDownloads: true,
      });
      // Seats may be VMs in software, on processors that others use as well; only a failure takes so long.
      context.setDefaultTimeout(90_000);
      const person = browser.contexts().length;
      const note = (trouble: string) => troubles.push(`person ${person}: ${trouble}`);
      context.on('console', (line) => line.type() === 'error' && note(line.text()));
      context.on('weberror', (error) => note(String(error.error())));
      context.on('requestfailed', (asked) => note(`${asked.url()} ${asked.failure()?.errorText}`));
      context.on('response', (got) => got.status() >= 400 && note(`${got.url()} ${got.status()}`));
      return { context, page: await context.newPage() };
    },
    async picture(page, name) {
      taken += 1;
      const number = String(taken).padStart(2, '0');
      await page.screenshot({ path: join(ARTIFACTS, `${story}-${number}-${name}.png`) });
    },
    async failed() {
      const pages = browser.contexts().flatMap((context) => context.pages());
      for (const [index, page] of pages.entries()) {
        await page
          .screenshot({ path: join(ARTIFACTS, `${story}-failed-${index + 1}.png`) })
          .catch(() => undefined);
        const html = await page.content().catch((error: Error) => error.message);
        console.error(`page ${index + 1} at ${page.url()}: ${html.length} characters, ${html.slice(0, 600)}`);
      }
      for (const trouble of troubles) console.error(trouble);
    },
    close: () => browser.close(),
  };
}
