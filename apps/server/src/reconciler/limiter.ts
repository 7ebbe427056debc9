/** Runs at most `most` pieces of work at once; the others wait their turn, first come, first served. */
export function limiter(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      // The place passes on without becoming free in between.
      if (next) next();
      else running--;
    }
  };
}
