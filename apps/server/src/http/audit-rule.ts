import type { api } from '@clarateach/contract/api';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { InferContractRouterInputs, InferContractRouterOutputs } from '@orpc/contract';
import type { AuditEvent } from '../audit/audit.ts';
import type { Database } from '../store/database.ts';
import type { Caller } from './callers.ts';

/** What procedures take and give, by their path. */
export type Inputs = InferContractRouterInputs<typeof api>;
export type Outputs = InferContractRouterOutputs<typeof api>;

/** A line of the log, by whoever calls unless it says who it was. */
export type Line = Omit<AuditEvent, 'actor' | 'address'> & { readonly actor?: AuditEvent['actor'] };

/** What a procedure leaves in the log; `before` looks at what will be gone afterwards. */
export interface Rule {
  readonly before?: (input: unknown) => Promise<unknown>;
  readonly lines: (call: {
    readonly input: unknown;
    readonly output: unknown;
    readonly before: unknown;
    readonly caller: Caller;
  }) => readonly Line[] | Promise<readonly Line[]>;
}

export interface RuleTools {
  readonly db: Database['db'];
  /** A learner as the log knows them: it does not tell the return code. */
  readonly learner: (
    id: WorkshopId,
    odehash: string,
    name: string,
  ) => { readonly kind: 'learner'; readonly id: string; readonly name: string };
}
