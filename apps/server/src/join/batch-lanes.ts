/**
 * Group commit: items of one lane that arrive while a batch is under way wait, and all that wait go
 * together in the next. A lone item does not wait at all. The outcomes come in the order of the
 * items; when `run` throws, every item of that batch is rejected with the error.
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
  const lanes = new Map<Lane, Waiting[]>();

  const drain = async (lane: Lane, waiting: Waiting[]) => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, options.maxBatch);
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
