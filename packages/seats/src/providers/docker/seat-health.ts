import { request } from 'node:http';
import { HEALTH_PATH, TERMINAL_PORT } from '@clarateach/contract/seat-server';

/** A seat on the same machine answers in a millisecond; a busy one gets more. */
const ANSWER_MS = 1_500;

/** Whether the workspace server at this address says that terminal and files can be used. */
export function answersHealth(host: string, signal: AbortSignal): Promise<boolean> {
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
