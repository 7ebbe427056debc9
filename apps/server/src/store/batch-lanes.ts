import { setTimeout as sleep } from 'node:timers/promises';

/** A batch waits for as long as each such moment brings more, and no longer than {@link GATHER_MS} in all. */
const MOMENT_MS = 1;
/** Far less than what a transaction with its sync to disk costs a burst. */
const GATHER_MS = 10;

/**
 * Group commit: items of one lane that come within a moment, or while a batch is under way, go together
 * in the next. The outcomes come in the order of the items; when `run` throws, every item of that batch
 * is rejected with the error.
 */
export function batchLanes<Lane, Item, Outcome>(options: {
  readonly maxBatch: number;
  readonly run: (lane: Lane, items: readonly Item[]) => Promise<readonly Outcome[]>;
}): (lane: Lane, item: Item) => Promise<Outcome> {
  interface Waiting {
    readonly item: Item;
    readonly resolve: (outcome: Outcome) => void;
    readonly reject: (error: unknown) => void;
  }
  const { maxBatch } = options;
  const lanes = new Map<Lane, Waiting[]>();

  const gather = async (waiting: readonly Waiting[]) => {
    const until = performance.now() + GATHER_MS;
    let seen = 0;
    while (waiting.length > seen && waiting.length < maxBatch && performance.now() < until) {
      seen = waiting.length;
      await sleep(MOMENT_MS);
    }
  };

  const drain = async (lane: Lane, waiting: Waiting[]) => {
    while (waiting.length > 0) {
      await gather(waiting);
      const batch = waiting.splice(0, maxBatch);
      try {
        const outcomes = await options.run(
          lane,
          batch.map(({ item }) => item),
        );
        batch.forEach(({ resolve, reject }, index) => {
          const outcome = outcomes[index];
          if (outcome === undefined) reject(new Error('The batch gave fewer outcomes than items.'));
          else resolve(outcome);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    lanes.delete(lane);
  };

  return (lane, item) =>
    new Promise((resolve, reject) => {
      const waiting = lanes.get(lane);
      if (waiting) {
        waiting.push({ item, resolve, reject });
        return;
      }
      const first = [{ item, resolve, reject }];
      lanes.set(lane, first);
      void drain(lane, first);
    });
}
