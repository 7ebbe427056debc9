import { setTimeout as delay } from 'node:timers/promises';
import { ProviderError } from '../../provider.ts';
import { statusOf, unless } from './engine.ts';

const REMOVAL_DEADLINE_MS = 30_000;

interface UntilOptions {
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** What is waited for, as the subject of a sentence. */
  readonly what: string;
}

/** Asks, ever more slowly, until the answer is yes; past the deadline the engine counts as unreachable. */
export async function until(ask: () => Promise<boolean>, options: UntilOptions): Promise<void> {
  const { deadlineMs, signal, what } = options;
  const deadline = performance.now() + deadlineMs;
  for (let pauseMs = 10; !(await ask()); pauseMs = Math.min(pauseMs * 2, 500)) {
    if (performance.now() > deadline) {
      throw new ProviderError(
        'unreachable',
        `${what} is still in use by the Docker engine; it is tried again.`,
      );
    }
    await delay(pauseMs, undefined, { signal });
  }
}

/** Removes what may be gone already, or is in use or being removed (409) for a moment yet. */
export function removed(
  remove: () => Promise<unknown>,
  options: Omit<UntilOptions, 'deadlineMs'>,
): Promise<void> {
  const isGone = async () => {
    try {
      await unless([404], remove());
      return true;
    } catch (error) {
      if (statusOf(error) !== 409) throw error;
      return false;
    }
  };
  return until(isGone, { ...options, deadlineMs: REMOVAL_DEADLINE_MS });
}
