import type { ComponentType } from 'react';
import { createElement, lazy } from 'react';
import { offline } from '../api/api-error.ts';

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

/** How often failures were shown so far. */
let shown = 0;

/** For whoever has shown failures: what did not come is asked for once more when it is next needed. */
export function forgetFailures(): void {
  shown += 1;
}

/**
 * A component whose code comes when it is first shown. Code that does not come is an `ApiError` that says
 * `offline`, for the nearest error boundary.
 */
export function lazyComponent<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  let failedAt: number | undefined;
  const attempt = () =>
    lazy(async () => {
      try {
        return { default: await patiently(load) };
      } catch (error) {
        failedAt = shown;
        throw offline(error);
      }
    });
  let Current: ComponentType<Props> = attempt();
  return (props) => {
    // Not before the failure was shown: else it would be asked for for ever, and nobody told.
    if (failedAt !== undefined && failedAt !== shown) {
      failedAt = undefined;
      Current = attempt();
    }
    return createElement(Current, props);
  };
}
