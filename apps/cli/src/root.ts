import { join } from 'node:path';

/** The checkout that this program runs from. */
export const ROOT = join(import.meta.dirname, '..', '..', '..');
/** What the checkout itself keeps between runs: locks, stamps; by default also the data of `up`. */
export const STATE_DIRECTORY = join(ROOT, '.clarateach');
