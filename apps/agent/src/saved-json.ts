import { readFile, rename, writeFile } from 'node:fs/promises';
import { Turnstile } from '@clarateach/seats/turnstile';
import type { z } from 'zod';

/** A small value that outlives the process: a file that is always whole. */
export interface SavedJson<T> {
  /** Undefined when there is none, or none that can be read. */
  read(): Promise<T | undefined>;
  write(value: T): Promise<void>;
}

export function savedJson<T>(path: string, schema: z.ZodType<T>): SavedJson<T> {
  const turn = new Turnstile();
  return {
    async read() {
      try {
        return schema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
      } catch {
        return undefined;
      }
    },
    write: (value) =>
      turn.pass(async () => {
        await writeFile(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
        await rename(`${path}.new`, path);
      }),
  };
}
