import { chmod, stat } from 'node:fs/promises';

/** What VMs read as users of their own, and what their jails run: whatever umask it was made under. */
export const READABLE = 0o644;
export const RUNNABLE = 0o755;

/** After: the file has this mode. True when it had another. */
export async function ensureMode(path: string, mode: typeof READABLE | typeof RUNNABLE): Promise<boolean> {
  const had = (await stat(path)).mode & 0o7777;
  if (had === mode) return false;
  await chmod(path, mode);
  return true;
}
