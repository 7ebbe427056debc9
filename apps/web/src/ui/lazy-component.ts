import type { ComponentType, LazyExoticComponent } from 'react';
import { lazy } from 'react';

const RETRY_AFTER_MS = [200, 1_000, 3_000];

/** A chunk that did not come is asked for again: a changed network aborts what is on its way. */
async function patiently<T>(load: () => Promise<T>): Promise<T> {
  for (const delayMs of RETRY_AFTER_MS) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
  return load();
}

export function lazyComponent<Props>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> {
  return lazy(async () => ({ default: await patiently(load) }));
}
