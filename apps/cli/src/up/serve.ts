import { once } from 'node:events';
import { configFrom } from '../operator/database.ts';
import type { Output } from '../output.ts';
import { startServer } from './start-server.ts';

/** Runs the server by its settings until the signal is aborted; seats run on, and the next start finds them. */
export async function serve(output: Output, signal: AbortSignal): Promise<void> {
  const server = await startServer(configFrom({}), 'leave-seats');
  try {
    if (server.signInUrl !== undefined) output.line(`Sign in: ${server.signInUrl}`);
    output.line(`ClaraTeach is ready at ${server.url}`);
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await server.close();
  }
}
