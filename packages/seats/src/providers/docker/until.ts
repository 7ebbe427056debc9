import { setTimeout as delay } from 'node:timers/promises';
import { ProviderError } from '../../provider.ts';

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
