import { statfs } from 'node:fs/promises';

/** A file system that seats and the database fill. */
export interface DiskUse {
  readonly place: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
}

export interface DiskWatch {
  /** What is free just now; a place that is not there is left out. */
  look(): Promise<readonly DiskUse[]>;
  close(): void;
}

const EVERY_MS = 30_000;
/** Below either, a class is told before its files no longer fit. */
const LOW_SHARE = 0.1;
const LOW_BYTES = 2 * 1024 ** 3;

/**
 * Watches the disks that seats write to: where nothing bounds a seat's files, somebody has to be told
 * while there is still room. `onChange` is called when a place becomes low, and when it no longer is.
 */
export function createDiskWatch(options: {
  /** Directories by the name that people are told. */
  readonly places: Readonly<Record<string, string>>;
  readonly onChange: (use: DiskUse, low: boolean) => void;
  readonly onError: (error: unknown) => void;
  readonly everyMs?: number;
  /** Bytes free and in all; the file system's own word when left out. */
  readonly measure?: (
    directory: string,
  ) => Promise<{ readonly freeBytes: number; readonly totalBytes: number }>;
}): DiskWatch {
  const { places, onChange, onError, measure = measured } = options;
  const low = new Set<string>();

  const look = async (): Promise<readonly DiskUse[]> => {
    const uses = await Promise.all(
      Object.entries(places).map(([place, directory]) =>
        measure(directory).then(
          (use) => ({ place, ...use }),
          () => undefined,
        ),
      ),
    );
    return uses.filter((use) => use !== undefined);
  };
  const judge = async (): Promise<void> => {
    for (const use of await look()) {
      const isLow = use.freeBytes < Math.min(LOW_BYTES, use.totalBytes * LOW_SHARE);
      if (isLow === low.has(use.place)) continue;
      if (isLow) low.add(use.place);
      else low.delete(use.place);
      onChange(use, isLow);
    }
  };
  const watch = () => void judge().catch(onError);
  watch();
  const timer = setInterval(watch, options.everyMs ?? EVERY_MS).unref();
  return { look, close: () => clearInterval(timer) };
}

async function measured(directory: string) {
  const { bavail, blocks, bsize } = await statfs(directory);
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}
