/**
 * Writers whose connection broke. For a while they count as if they were there, so that output is held back
 * for them and nothing they have not seen is lost.
 */
export class AbsentWriters {
  readonly #graceMs: number;
  readonly #onGivenUp: () => void;
  /** How far each had acknowledged the output. */
  readonly #waiting = new Set<{ readonly acknowledged: number }>();

  /** `onGivenUp` is called when one did not come back in time. */
  constructor({ graceMs, onGivenUp }: { readonly graceMs: number; readonly onGivenUp: () => void }) {
    this.#graceMs = graceMs;
    this.#onGivenUp = onGivenUp;
  }

  get count(): number {
    return this.#waiting.size;
  }

  /** How many of them lack so many bytes up to `head`. */
  lacking(bytes: number, head: number): number {
    let count = 0;
    for (const { acknowledged } of this.#waiting) if (head - acknowledged >= bytes) count += 1;
    return count;
  }

  await(acknowledged: number): void {
    const absent = { acknowledged };
    this.#waiting.add(absent);
    setTimeout(() => {
      if (this.#waiting.delete(absent)) this.#onGivenUp();
    }, this.#graceMs).unref();
  }

  /** Whoever comes back with more than an absent writer had acknowledged is that writer. */
  welcome(after: number): void {
    let back: { readonly acknowledged: number } | undefined;
    for (const absent of this.#waiting) {
      if (absent.acknowledged <= after && absent.acknowledged >= (back?.acknowledged ?? 0)) back = absent;
    }
    if (back !== undefined) this.#waiting.delete(back);
  }

  clear(): void {
    this.#waiting.clear();
  }
}
