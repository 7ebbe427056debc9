import { api } from '@clarateach/contract/api';
import { implement } from '@orpc/server';
import type { IdentifyCaller, RequestContext } from './callers.ts';

/** The contract, to be implemented; whoever calls a procedure is known before it runs. */
export function implementer(identify: IdentifyCaller) {
  return implement(api)
    .$context<RequestContext>()
    .use(async ({ context, procedure, next }, input) =>
      next({ context: { caller: await identify(procedure['~orpc'], context, input) } }),
    );
}

export type Implementer = ReturnType<typeof implementer>;
