import { once } from 'node:events';
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * The environment of the seat. Where SEAT_SETTINGS names a file, this server was started before anybody
 * had the seat: the rest stands in that file, as a JSON object, which is put there whole when somebody
 * takes it. `onWait` is called when it is not there yet. Throws for a file that holds something else.
 */
export async function seatEnvironment(
  env: NodeJS.ProcessEnv,
  onWait: () => void,
): Promise<NodeJS.ProcessEnv> {
  const file = env.SEAT_SETTINGS;
  if (file === undefined) return env;
  const settings = JSON.parse(await whenThere(file, onWait)) as NodeJS.ProcessEnv;
  // What the seat's own start has set, its home and its path among it, stands.
  return { ...settings, ...env };
}

async function whenThere(file: string, onWait: () => void): Promise<string> {
  // Watched before it is looked for, so that it cannot come in between.
  const watcher = watch(dirname(file));
  try {
    for (let looks = 0; ; looks += 1) {
      const changed = once(watcher, 'change');
      changed.catch(() => undefined);
      const content = await contentOf(file);
      if (content !== undefined) return content;
      if (looks === 0) onWait();
      await changed;
    }
  } finally {
    watcher.close();
  }
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
