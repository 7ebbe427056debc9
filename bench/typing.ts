import { percentile } from './harness.ts';
import type { Terminal } from './terminal.ts';

const BETWEEN_KEYS_MS = 100;

/** Types at ten keys a second in each terminal; milliseconds from each key to its echo. */
export async function typing(terminals: readonly Terminal[], keys: number): Promise<number[]> {
  const latencies = await Promise.all(
    terminals.map(async (terminal, index) => {
      const own: number[] = [];
      // Spread over the interval, as a room of people is.
      await new Promise((resolve) => setTimeout(resolve, (index / terminals.length) * BETWEEN_KEYS_MS));
      for (let key = 0; key < keys; key++) {
        const letter = String.fromCharCode(97 + (key % 26));
        const next = new Promise((resolve) => setTimeout(resolve, BETWEEN_KEYS_MS));
        const began = performance.now();
        const echoed = terminal.until((chunk) => chunk.includes(letter));
        terminal.write(letter);
        await echoed;
        own.push(performance.now() - began);
        await next;
      }
      return own;
    }),
  );
  return latencies.flat();
}

/** Opens terminals, types in all of them from an empty prompt, and closes them. */
export async function typingAt(
  open: () => readonly Promise<Terminal>[],
  keys: number,
): Promise<{ p50: number; p99: number }> {
  const terminals = await Promise.all(open());
  await Promise.all(
    terminals.map(async (terminal) => {
      const cleared = terminal.shows('42-ready');
      terminal.write('\u0015clear; echo $((6*7))-ready\r');
      await cleared;
    }),
  );
  const latencies = await typing(terminals, keys);
  await Promise.all(terminals.map((terminal) => terminal.close()));
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}
