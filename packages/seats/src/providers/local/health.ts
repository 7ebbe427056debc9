import { lstat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { HEALTH_PATH, TERMINAL_PORT } from '@clarateach/contract/seat-server';

/** Whether the workspace server behind this socket directory says that it can be used. */
export async function isHealthy(sockets: string, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const socketPath = join(sockets, `${TERMINAL_PORT}.sock`);
  try {
    // The learner can write here: a link to somebody else's socket is not followed.
    if (!(await lstat(socketPath)).isSocket()) return false;
  } catch {
    return false;
  }
  const healthy = await new Promise<boolean>((resolve) => {
    const asked = request({
      socketPath,
      path: HEALTH_PATH,
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    asked.on('response', (response) => {
      response.resume();
      // A body that never ends is cut off by the same timeout.
      response.on('error', () => resolve(false));
      response.on('end', () => resolve(response.statusCode === 200));
    });
    asked.on('error', () => resolve(false));
    asked.end();
  });
  signal.throwIfAborted();
  return healthy;
}
