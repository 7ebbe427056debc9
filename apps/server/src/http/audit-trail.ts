import type { ProcedureMeta } from '@clarateach/contract/api';
import type { AuditActorKind } from '@clarateach/contract/audit';
import { PublicError } from '@clarateach/contract/errors';
import { type WorkshopId, workshopId } from '@clarateach/contract/ids';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import type { Database } from '../store/database.ts';
import type { Inputs, Line, Outputs, Rule, RuleTools } from './audit-rule.ts';
import type { Caller, RequestContext } from './callers.ts';
import { entryRules } from './entry-audit.ts';
import { peopleRules } from './people-audit.ts';

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
  const rules = { ...rulesOf(tools), ...entryRules(tools), ...peopleRules(db) };

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

function rulesOf({ db, learner }: RuleTools): Readonly<Record<string, Rule>> {
  const workshop = (details: { readonly id: WorkshopId; readonly name: string }) => ({
    workshopId: details.id,
    target: { kind: 'workshop', id: details.id, name: details.name } as const,
  });
  const done =
    (action: string): Rule['lines'] =>
    ({ output }) => [{ action, ...workshop(output as Outputs['workshops']['show']) }];
  const ofSeat =
    (action: string): Rule['lines'] =>
    ({ input, output }) => [
      {
        action,
        ...workshop(output as Outputs['workshops']['show']),
        details: { seat: Number((input as Inputs['workshops']['resetSeat']).seat) },
      },
    ];
  const removalOf = (where: { readonly id: WorkshopId; readonly seat?: number; readonly removal?: string }) =>
    db
      .selectFrom('removals')
      .select(['name', 'odehash', 'seat'])
      .where('workshopId', '=', where.id)
      .$if(where.seat !== undefined, (rows) => rows.where('seat', '=', Number(where.seat)))
      .$if(where.removal !== undefined, (rows) => rows.where('id', '=', String(where.removal)))
      .orderBy('removedAt', 'desc')
      .limit(1)
      .executeTakeFirst();
  type Removed = Awaited<ReturnType<typeof removalOf>>;
  const ofLearner = (action: string, id: WorkshopId, removed: Removed): readonly Line[] => [
    {
      action,
      workshopId: id,
      ...(removed
        ? { target: learner(id, removed.odehash, removed.name), details: { seat: removed.seat } }
        : {}),
    },
  ];

  return {
    'join.join': {
      lines({ output }) {
        const session = output as Outputs['join']['join'];
        const { id, name } = session.workshop;
        return [
          {
            actor: learner(id, session.odehash, session.name),
            action: session.returning ? 'learner.returned' : 'learner.joined',
            ...workshop({ id, name }),
            details: { seat: session.seat },
          },
        ];
      },
    },
    // Every two hours for every learner, and nothing that anybody did.
    'join.renew': { lines: () => [] },

    'workshops.create': {
      lines({ output }) {
        const made = (output as Outputs['workshops']['create']).body;
        const about = workshop(made);
        const started = made.startedAt !== null;
        return [
          { action: 'workshop.created', ...about, details: { seats: made.seatCount, runtime: made.runtime } },
          ...(made.hasApiKey ? [{ action: 'api_key.set', ...about }] : []),
          ...(started ? [{ action: 'workshop.started', ...about }] : []),
          ...(started && made.hasApiKey ? [{ action: 'api_key.used', ...about }] : []),
        ];
      },
    },
    'workshops.start': {
      lines({ output }) {
        const started = (output as Outputs['workshops']['start']).body;
        const about = workshop(started);
        return [
          { action: 'workshop.started', ...about },
          ...(started.hasApiKey ? [{ action: 'api_key.used', ...about }] : []),
        ];
      },
    },
    'workshops.stop': { lines: done('workshop.stopped') },
    'workshops.extend': { lines: done('workshop.extended') },
    'workshops.delete': {
      before: (input) =>
        db
          .selectFrom('workshops')
          .select(['id', 'name'])
          .where('id', '=', (input as Inputs['workshops']['delete']).id as WorkshopId)
          .executeTakeFirst(),
      lines: ({ input, before }) => [
        {
          action: 'workshop.deleted',
          ...workshop(
            (before as { id: WorkshopId; name: string } | undefined) ?? {
              id: (input as { id: WorkshopId }).id,
              name: '',
            },
          ),
        },
      ],
    },
    'workshops.restartSeat': { lines: ofSeat('seat.restarted') },
    'workshops.resetSeat': { lines: ofSeat('seat.reset') },
    'workshops.removeLearner': {
      async lines({ input }) {
        const { id, seat } = input as { id: WorkshopId; seat: number };
        return ofLearner('learner.removed', id, await removalOf({ id, seat }));
      },
    },
    'workshops.letBack': {
      before: (input) => removalOf(input as { id: WorkshopId; removal: string }),
      lines: ({ input, before }) =>
        ofLearner('learner.let_back', (input as { id: WorkshopId }).id, before as Removed),
    },

    'account.update': { lines: () => [{ action: 'account.changed' }] },
    'tokens.create': {
      lines({ output }) {
        const { id, name } = output as Outputs['tokens']['create'];
        return [{ action: 'token.created', target: { kind: 'token', id, name } }];
      },
    },
    'tokens.revoke': {
      lines: ({ output }) => [
        {
          action: 'token.revoked',
          target: { kind: 'token', id: (output as Outputs['tokens']['revoke']).id },
        },
      ],
    },

    // These write their own lines, because they know whom they are about.
    'admin.exportData': { lines: () => [] },
    'admin.deleteData': { lines: () => [] },
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
