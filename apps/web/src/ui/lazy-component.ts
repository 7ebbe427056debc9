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

/**
 * A component whose code comes when it is first shown. Code that does not come is an `ApiError` that says
 * `offline`, for the nearest error boundary; shown once more, it is asked for once more.
 */
export function lazyComponent<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): ComponentType<Props> {
  const attempt = () =>
    lazy(async () => {
      try {
        return { default: await patiently(load) };
      } catch (error) {
        Current = attempt();
        throw offline(error);
      }
    });
  let Current: ComponentType<Props> = attempt();
  return (props) => createElement(Current, props);
}
