/** How often it is looked. */
const LOOK_MS = 5_000;
/** A clock that jumps this far has slept. */
const SLEPT_MS = 20_000;

interface SleepWatch {
  readonly document: Pick<Document, 'hidden' | 'addEventListener' | 'removeEventListener'>;
  readonly now: () => number;
  readonly onSlept: () => void;
}

/**
 * Tells when the page may have slept: with the machine, or as a hidden page, whose timers a browser holds back
 * for minutes, so that it is told of once, when it is seen again. Returns what ends it.
 */
export function watchSleep({ document, now, onSlept }: SleepWatch): () => void {
  let seen = now();
  const look = () => {
    if (document.hidden) return;
    const gap = now() - seen;
    seen = now();
    if (gap > SLEPT_MS) onSlept();
  };
  const timer = setInterval(look, LOOK_MS);
  document.addEventListener('visibilitychange', look);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', look);
  };
}
