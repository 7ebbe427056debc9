import type { IncomingMessage } from 'node:http';
import {
  AGENT_INSTALLATION_HEADER,
  AGENT_VERSION_HEADER,
  agentInstallation,
} from '@clarateach/contract/agent-api';
import { AgentError } from './errors.ts';

/** Who asks: a person, who has to do with every seat, or a server, with those of its installation. */
export type Caller =
  | { readonly kind: 'person' }
  /** Null for a server that is too old to name its installation. */
  | { readonly kind: 'server'; readonly installation: string | null };

export function callerOf({ headers }: IncomingMessage): Caller {
  const named = headers[AGENT_INSTALLATION_HEADER];
  if (named !== undefined) {
    const installation = agentInstallation.safeParse(named);
    if (installation.success) return { kind: 'server', installation: installation.data };
    throw new AgentError(
      'invalid_input',
      `"${AGENT_INSTALLATION_HEADER}" is wrong: a name has at most 64 letters, digits, - and _.`,
    );
  }
  return headers[AGENT_VERSION_HEADER] === undefined
    ? { kind: 'person' }
    : { kind: 'server', installation: null };
}

/** Whether a seat with this label exists for the caller. A seat without a label is everybody's. */
export function mayTouch(caller: Caller, owner: string | null): boolean {
  return caller.kind === 'person' || owner === null || owner === caller.installation;
}
