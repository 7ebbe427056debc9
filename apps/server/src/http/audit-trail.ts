import type { ProcedureMeta } from '@clarateach/contract/api';
import type { AuditActorKind } from '@clarateach/contract/audit';
import { PublicError } from '@clarateach/contract/errors';
import { type WorkshopId, workshopId } from '@clarateach/contract/ids';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import type { Database } from '../store/database.ts';
import type { Line, Rule, RuleTools } from './audit-rule.ts';
import type { Caller, RequestContext } from './callers.ts';
import { entryRules } from './entry-audit.ts';
import { peopleRules } from './people-audit.ts';
import { workshopRules } from './workshop-audit.ts';

/** Looking again and again at the same thing is one line in so long. */
const SAME_VIEW_MS = 10 * 60_000;
const MAX_VIEWS = 10_000;
const NAME_KEPT_MS = 60_000;

interface Call {
  readonly path: readonly string[];
  readonly procedure: { readonly meta: Partial<ProcedureMeta>; readonly route: { readonly method?: string } };
  readonly caller: Caller;
  readonly context: RequestContext;
  readonly input: unknown;
}

/** Writes down what is done by the API. Every procedure goes through here. */
export interface AuditTrail {
  /** Runs the procedure, and then writes down what it did. */
  follow<T extends { readonly output: unknown }>(call: Call, work: () => Promise<T>): Promise<T>;
}

/**
 * Procedures without a rule are written down under their own name when they change something and a
 * person calls them, so that a new one is in the log before anybody thinks of it.
 */
export function createAuditTrail(deps: {
  readonly audit: Audit;
  readonly database: Database;
  readonly now: () => number;
}): AuditTrail {
  const { audit, now } = deps;
  const { db } = deps.database;
  const names = new Map<string, { readonly name: Promise<string>; readonly at: number }>();
  const views = new Map<string, number>();

  const emailOf = (userId: string): Promise<string> => {
    const known = names.get(userId);
    if (known && now() - known.at < NAME_KEPT_MS) return known.name;
    const name = db
      .selectFrom('users')
      .select(['email', 'name'])
      .where('id', '=', userId)
      .executeTakeFirst()
      .then(
        (user) => user?.email || (user?.name ?? ''),
        () => '',
      );
    names.set(userId, { name, at: now() });
    return name;
  };

  const actorOf = async (caller: Caller): Promise<AuditEvent['actor']> => {
    if (caller.kind !== 'person') return { kind: caller.kind satisfies AuditActorKind };
    const { userId } = caller.person;
    return { kind: 'person', id: userId, name: await emailOf(userId) };
  };

  const learner = (id: WorkshopId, odehash: string, name: string) =>
    ({ kind: 'learner', id: audit.pseudonym(id, odehash), name }) as const;

  const tools: RuleTools = { db, learner };
  const rules = { ...workshopRules(tools), ...entryRules(tools), ...peopleRules(db) };

  /** Whether this is the first look in a while. */
  const isNewView = (key: string): boolean => {
    const seen = views.get(key);
    if (seen !== undefined && now() - seen < SAME_VIEW_MS) return false;
    if (views.size >= MAX_VIEWS) views.clear();
    views.set(key, now());
    return true;
  };

  /** An admin who looks at what is not theirs. */
  const viewOf = async ({ path, procedure, caller, input }: Call): Promise<readonly Line[]> => {
    if (caller.kind !== 'person') return [];
    const { userId } = caller.person;
    const name = path.join('.');
    if (procedure.meta.caller === 'admin') {
      return isNewView(`${userId} ${name}`) ? [{ action: 'admin.viewed', details: { page: name } }] : [];
    }
    const id = caller.person.role === 'admin' ? workshopOf(input) : undefined;
    if (id === undefined) return [];
    const workshop = await db
      .selectFrom('workshops')
      .select(['ownerId', 'name'])
      .where('id', '=', id)
      .executeTakeFirst();
    if (!workshop || workshop.ownerId === userId || !isNewView(`${userId} ${id}`)) return [];
    return [
      { action: 'workshop.viewed', workshopId: id, target: { kind: 'workshop', id, name: workshop.name } },
    ];
  };

  const linesOf = async (call: Call, output: unknown, before: unknown): Promise<readonly Line[]> => {
    const name = call.path.join('.');
    const rule = rules[name];
    if (rule) return rule.lines({ ...call, output, before });
    if (call.procedure.route.method === 'GET') return viewOf(call);
    if (call.caller.kind !== 'person') return [];
    const id = workshopOf(call.input);
    return [
      {
        action: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        ...(id === undefined ? {} : { workshopId: id, target: { kind: 'workshop', id } as const }),
      },
    ];
  };

  const write = async (call: Call, lines: readonly Line[]): Promise<void> => {
    for (const line of lines) {
      const details = viaOf(call.caller);
      void audit.record({
        ...line,
        actor: line.actor ?? (await actorOf(call.caller)),
        address: call.context.address,
        details: { ...details, ...line.details },
      });
    }
  };

  return {
    async follow<T extends { readonly output: unknown }>(call: Call, work: () => Promise<T>): Promise<T> {
      const name = call.path.join('.');
      // The input is not checked yet: what cannot be looked up is refused by the procedure.
      const before = await lookBefore(rules[name], call.input);
      let result: T;
      try {
        result = await work();
      } catch (error) {
        if (name === 'join.join' && error instanceof PublicError && error.code === 'removed') {
          await write(call, [{ action: 'learner.joined', outcome: 'refused', details: { why: 'removed' } }]);
        }
        throw error;
      }
      try {
        await write(call, await linesOf(call, result.output, before));
      } catch (error) {
        // It is done; a log that cannot tell who it was must not make it look undone.
        void audit.record({
          actor: { kind: call.caller.kind },
          action: name,
          address: call.context.address,
          details: { incomplete: (error as Error).message },
        });
      }
      return result;
    },
  };
}

/** Undefined where there is nothing to look at, or the input makes no sense. */
async function lookBefore(rule: Rule | undefined, input: unknown): Promise<unknown> {
  try {
    return await rule?.before?.(input);
  } catch {
    return undefined;
  }
}

function viaOf(caller: Caller): Readonly<Record<string, string>> {
  return caller.kind === 'person' && caller.person.via.kind === 'api-token'
    ? { apiToken: caller.person.via.id }
    : {};
}

/** The workshop that a request names, wherever its procedure has it. */
function workshopOf(input: unknown): WorkshopId | undefined {
  const { id, params } = (input ?? {}) as { id?: unknown; params?: { id?: unknown } };
  return workshopId.safeParse(id ?? params?.id).data;
}
