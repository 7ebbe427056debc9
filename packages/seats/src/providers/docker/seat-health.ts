import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { HEALTH_PATH, TERMINAL_PORT } from '@clarateach/contract/seat-server';

/** A seat on the same machine answers in a millisecond; a busy one gets more. */
const ANSWER_MS = 1_500;
/** A seat that starts is asked again for so long: a question costs less than another look at the engine. */
const PATIENCE_MS = 500;
const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 100;

/** Whether the workspace server at this address says, now or in a moment, that terminal and files can be used. */
export async function answersHealth(host: string, signal: AbortSignal): Promise<boolean> {
  const patience = performance.now() + PATIENCE_MS;
  for (let pauseMs = FIRST_PAUSE_MS; !(await answersNow(host, signal)); ) {
    if (performance.now() > patience) return false;
    await delay(pauseMs, undefined, { signal });
    pauseMs = Math.min(pauseMs * 1.5, LAST_PAUSE_MS);
  }
  return true;
}

function answersNow(host: string, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const asked = request(
    {
      host,
      port: TERMINAL_PORT,
      path: HEALTH_PATH,
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    },
    (response) => {
      resolve(response.statusCode === 200);
      // The status is all there is to know, and the program that answers is in the learner's hands.
      response.destroy();
    },
  );
  asked.on('error', () => resolve(false));
  asked.end();
  return promise;
}
