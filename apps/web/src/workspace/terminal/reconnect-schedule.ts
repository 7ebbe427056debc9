const FIRST_MS = 250;
const LONGEST_MS = 15_000;

/**
 * Milliseconds to wait before attempt 0, 1, 2… The first is at once; then exponential with jitter over
 * the upper half, so that a class does not return in one instant and nobody waits for almost nothing.
 */
export function reconnectDelayMs(attempt: number, random: () => number): number {
  if (attempt <= 0) return 0;
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
