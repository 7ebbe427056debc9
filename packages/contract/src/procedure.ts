import { oc } from '@orpc/contract';
import type { TokenScope } from './account.ts';

/**
 * Who may call a procedure.
 * `anyone`: no credentials. `learner`: a seat token. `instructor`: a session cookie or an API
 * token; another instructor's workshop is answered as one that does not exist. `admin`: the same,
 * with that role.
 */
export type Caller = 'anyone' | 'learner' | 'instructor' | 'admin';
export interface ProcedureMeta {
  readonly caller: Caller;
  /** What an API token needs to call it; without one no token may, only somebody who is signed in. */
  readonly scope?: TokenScope;
}

// Nobody may call what does not say who may.
const base = oc.$meta<Partial<ProcedureMeta>>({});
const of = (scope: TokenScope) => base.meta({ caller: 'instructor', scope });

export const anyone = base.meta({ caller: 'anyone' });
export const learner = base.meta({ caller: 'learner' });
/** Reads workshops. */
export const reader = of('workshops:read');
/** Changes workshops. */
export const writer = of('workshops:write');
/** Looks at or changes the caller's own account. */
export const owner = of('account');
export const admin = base.meta({ caller: 'admin', scope: 'admin' });
