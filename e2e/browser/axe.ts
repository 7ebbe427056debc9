import axe from 'axe-core';
import type { Page } from 'playwright-core';

export const THEMES = ['light', 'dark'] as const;

/** How bad a fault is before it counts. */
const COUNTS = ['serious', 'critical'];

export interface Axe {
  /** What is seriously wrong with what the page shows, or with the part of it that a selector names. */
  faults(part?: string): Promise<string[]>;
}

/** Shows pages in a theme and without movement, whose in-between colours say nothing, and looks at them. */
export async function openAxe(page: Page, colorScheme: (typeof THEMES)[number]): Promise<Axe> {
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
  return {
    async faults(part) {
      if (part !== undefined) await page.locator(part).waitFor();
      // By way of the developer tools: the page's content security policy lets no script in.
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate<axe.AxeResults>(
        `axe.run(${JSON.stringify(part ?? 'html')}, { resultTypes: ['violations'] })`,
      );
      return violations
        .filter(({ impact }) => COUNTS.includes(impact ?? ''))
        .flatMap(({ id, help, nodes }) => nodes.map(({ target }) => `${id} at ${target.join(' ')}: ${help}`));
    },
  };
}
