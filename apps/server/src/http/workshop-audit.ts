import type { WorkshopId } from '@clarateach/contract/ids';
import type { Inputs, Line, Outputs, Rule, RuleTools } from './audit-rule.ts';

/** What workshops, their learners, API tokens and one's own account leave in the log. */
export function workshopRules({ db, learner }: RuleTools): Readonly<Record<string, Rule>> {
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
