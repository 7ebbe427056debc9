/**
 * Aborted by the first Ctrl-C (or SIGTERM, SIGHUP); whoever listens ends what it has started. The
 * second one ends the process at once.
 */
export function terminationSignal(onFirst: () => void = () => undefined): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort(new Interrupted());
      onFirst();
    });
  }
  return controller.signal;
}

/** What fails in `work` once a person has asked the command to end is told as that, and not as a failure. */
export async function interruptible<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}

/** A person asked the command to end; that is no failure to explain. */
export class Interrupted extends Error {
  constructor() {
    super('Interrupted.');
    this.name = 'Interrupted';
  }
}
