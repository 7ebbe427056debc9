import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '@clarateach/contract/loopback';
import { AgentError } from './errors.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Throws unless the request may use the agent's API. */
export type Guard = (request: IncomingMessage) => void;

export function agentGuard(token: string | undefined): Guard {
  const wanted = token === undefined ? undefined : digest(token);
  return ({ headers }) => {
    if (wanted === undefined) {
      // Whoever is on this machine may come, but not a web page that somebody on it looks at.
      const name = (headers.host ?? '').replace(/:\d+$/, '');
      if (headers.origin === undefined && headers['sec-fetch-site'] === undefined && isLoopback(name)) return;
      throw new AgentError('forbidden', 'Web pages may not use an agent that has no token.');
    }
    const given = /^bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1] ?? '';
    // Digests have one length, so the comparison tells nothing of the token's.
    if (timingSafeEqual(digest(given.trim()), wanted)) return;
    throw new AgentError(
      'unauthenticated',
      'This address needs the agent’s token: Authorization: Bearer <AGENT_TOKEN>.',
    );
  };
}
