import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/** Why no browser can be started here; undefined when it can. */
export const noBrowser = existsSync(CHROMIUM) ? undefined : `NOT RUN: ${CHROMIUM} is not installed`;

/** Debian's Chromium, with nothing in it that talks to anybody by itself. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
