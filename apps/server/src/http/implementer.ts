import { api } from '@clarateach/contract/api';
import { implement } from '@orpc/server';
import type { AuditTrail } from './audit-trail.ts';
import type { IdentifyCaller, RequestContext } from './callers.ts';

/** The contract, to be implemented; whoever calls a procedure is known before it runs, and what they did is written down after. */
export function implementer(identify: IdentifyCaller, trail: AuditTrail) {
  return implement(api)
    .$context<RequestContext>()
    .use(async ({ context, procedure, path, next }, input) => {
      const caller = await identify(procedure['~orpc'], context, input);
      return trail.follow({ path, procedure: procedure['~orpc'], caller, context, input }, async () =>
        next({ context: { caller } }),
      );
    });
}

export type Implementer = ReturnType<typeof implementer>;
