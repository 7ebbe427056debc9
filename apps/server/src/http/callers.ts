import type { IncomingHttpHeaders } from 'node:http';
import type { TokenScope } from '@clarateach/contract/account';
import type { ProcedureMeta } from '@clarateach/contract/api';
import { PublicError } from '@clarateach/contract/errors';
import type { SeatClaims } from '@clarateach/contract/token';
import { grants, type TokenGrant } from '../people/api-tokens.ts';
import type { People, Person } from '../people/people.ts';
import type { SeatTokens } from '../tokens/seat-tokens.ts';
import type { Origins } from './origins.ts';

/** What a procedure knows of the request behind its input. */
export interface RequestContext {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Network address of the client. */
  readonly address: string;
  /** Aborted when the server is about to end. */
  readonly closing: AbortSignal;
  /** What the answer gets besides the output. */
  readonly answer: { status?: number; cookies: readonly string[] };
}

export type Caller =
  | { readonly kind: 'anyone' }
  | {
      readonly kind: 'learner';
      readonly claims: SeatClaims;
      /** Throws when the token was taken back, or its key ended, since the request came. */
      verifyAgain(): void;
    }
  | { readonly kind: 'person'; readonly person: Person };

export type IdentifyCaller = (
  procedure: { readonly meta: Partial<ProcedureMeta> },
  context: RequestContext,
  input: unknown,
) => Promise<Caller>;

/** Finds out who calls, and refuses who may not. Every procedure of the contract goes through here. */
export function identifyCaller(deps: {
  readonly people: People;
  readonly seatTokens: SeatTokens;
  readonly origins: Origins;
}): IdentifyCaller {
  const { people, seatTokens, origins } = deps;

  const person = async (context: RequestContext, { scope }: Partial<ProcedureMeta>): Promise<Person> => {
    const found = await people.authenticate(context.headers, context.address);
    if (!found) throw unauthenticated(context.headers);
    if (found.via.kind === 'api-token') checkScope(found.via, scope);
    // Only what a browser adds by itself can be abused by another site's page.
    if (found.via.kind === 'session') origins.check(context.method, context.headers);
    context.answer.cookies = found.cookies;
    return found;
  };

  return async ({ meta }, context, input) => {
    switch (meta.caller) {
      case 'anyone':
        return { kind: 'anyone' };
      case 'learner': {
        const verify = () => seatTokens.verifyForRenewal(seatToken(context, input));
        return { kind: 'learner', claims: verify(), verifyAgain: () => void verify() };
      }
      case 'instructor':
        return { kind: 'person', person: await person(context, meta) };
      case 'admin': {
        const found = await person(context, meta);
        if (found.role !== 'admin') throw new PublicError('forbidden', 'Only an admin may do this.');
        return { kind: 'person', person: found };
      }
      default:
        // A procedure whose caller nobody thought about is nobody's.
        throw new PublicError('forbidden', 'Nobody may do this.');
    }
  };
}

export function personOf({ caller }: { readonly caller: Caller }): Person {
  if (caller.kind !== 'person') throw new Error(`A procedure of persons was reached by ${caller.kind}.`);
  return caller.person;
}

export function learnerOf({ caller }: { readonly caller: Caller }): Caller & { readonly kind: 'learner' } {
  if (caller.kind !== 'learner') throw new Error(`A procedure of learners was reached by ${caller.kind}.`);
  return caller;
}

function seatToken({ headers }: RequestContext, input: unknown): string {
  const sent = (input as { token?: unknown } | undefined)?.token;
  const token = typeof sent === 'string' ? sent : /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1];
  if (token === undefined) {
    throw new PublicError(
      'unauthenticated',
      'Send the old seat token, in the body or as Authorization: Bearer.',
    );
  }
  return token;
}

function checkScope(token: TokenGrant, scope: TokenScope | undefined): void {
  if (scope === undefined) {
    throw new PublicError('forbidden', 'No API token may do this. Sign in with a browser.');
  }
  if (!grants(token.scopes, scope)) {
    throw new PublicError(
      'forbidden',
      `This API token may not do this: it lacks the scope ${scope}. Make one that has it.`,
    );
  }
}

function unauthenticated({ authorization }: IncomingHttpHeaders): PublicError {
  return new PublicError(
    'unauthenticated',
    authorization === undefined
      ? 'Sign in first. Programs send an API token as Authorization: Bearer ctk_….'
      : 'This API token is not valid. It may have expired or been revoked; make another one.',
  );
}
