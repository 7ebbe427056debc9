import type { WorkshopId } from '@clarateach/contract/ids';
import type { Inputs, Line, Outputs, Rule, RuleTools } from './audit-rule.ts';

/** What registrations, hand-overs and co-instructors leave in the log. Codes and links stay out of it. */
export function entryRules({ db, learner }: RuleTools): Readonly<Record<string, Rule>> {
  const workshop = async (id: WorkshopId) => {
    const row = await db.selectFrom('workshops').select('name').where('id', '=', id).executeTakeFirst();
    return { workshopId: id, target: { kind: 'workshop', id, name: row?.name ?? '' } as const };
  };
  const registered = (where: { readonly id: string } | { readonly accessCode: string }) =>
    db
      .selectFrom('registrations')
      .select(['workshopId', 'odehash', 'name'])
      .$if('id' in where, (rows) => rows.where('id', '=', (where as { id: string }).id))
      .$if('accessCode' in where, (rows) =>
        rows.where('accessCode', '=', (where as { accessCode: string }).accessCode),
      )
      .executeTakeFirst();

  /** A learner does it, who has shown the access code or was just given it. */
  const ofOneself =
    (action: string): Rule['lines'] =>
    async ({ output }) => {
      const { accessCode, state } = output as Outputs['register']['register'];
      const row = await registered({ accessCode });
      if (!row) return [{ action }];
      const { workshopId, odehash, name } = row;
      const actor = learner(workshopId, odehash, name);
      return [{ actor, action, ...(await workshop(workshopId)), details: { state } }];
    };
  /** An instructor does it to a learner's registration. */
  const ofAnother =
    (action: string): Rule['lines'] =>
    async ({ input }) => {
      const { id, registration } = input as Inputs['entry']['cancel'];
      const row = await registered({ id: registration });
      const workshopId = id as WorkshopId;
      return [{ action, workshopId, ...(row ? { target: learner(workshopId, row.odehash, row.name) } : {}) }];
    };
  const ofWorkshop =
    (action: string, detailsOf: (output: unknown) => Line['details'] = () => undefined): Rule['lines'] =>
    async ({ input, output }) => {
      const details = detailsOf(output);
      const about = await workshop((input as { id: WorkshopId }).id);
      return [{ action, ...about, ...(details ? { details } : {}) }];
    };
  const person = async (userId: string) => {
    const user = await db.selectFrom('users').select('email').where('id', '=', userId).executeTakeFirst();
    return { kind: 'person', id: userId, name: user?.email ?? '' } as const;
  };

  return {
    'register.register': { lines: ofOneself('registration.made') },
    'register.cancel': { lines: ofOneself('registration.cancelled') },
    'entry.cancel': { lines: ofAnother('registration.cancelled') },
    'entry.rotate': { lines: ofAnother('registration.rotated') },
    'entry.resend': { lines: ofAnother('registration.code_sent') },
    'entry.import': {
      lines: async (call) => {
        const { imported, waiting } = call.output as Outputs['entry']['import'];
        // A list with wrong lines changes nothing.
        if (imported === 0) return [];
        return ofWorkshop('registration.imported', () => ({ imported, waiting }))(call);
      },
    },
    // Whoever has the file has everybody's access code.
    'entry.export': { lines: ofWorkshop('registration.exported') },
    'entry.configure': {
      lines: ofWorkshop('entry.changed', (output) => {
        const { entry, registrationCap, questions } = (output as Outputs['entry']['configure']).settings;
        return { entry, cap: registrationCap ?? 'none', questions: questions.length };
      }),
    },

    'entry.handOver': {
      async lines({ input }) {
        const { seat } = input as Inputs['entry']['handOver'];
        const id = (input as { id: WorkshopId }).id;
        const row = await db
          .selectFrom('sessions')
          .select(['odehash', 'name'])
          .where('workshopId', '=', id)
          .where('seat', '=', Number(seat))
          .executeTakeFirst();
        return [
          {
            action: 'hand_over.made',
            workshopId: id,
            ...(row ? { target: learner(id, row.odehash, row.name) } : {}),
            details: { seat: Number(seat) },
          },
        ];
      },
    },
    'handOver.redeem': {
      async lines({ output }) {
        const { workshop: where, odehash, name, seat } = output as Outputs['handOver']['redeem'];
        const actor = learner(where.id, odehash, name);
        return [{ actor, action: 'hand_over.redeemed', ...(await workshop(where.id)), details: { seat } }];
      },
    },

    'colleagues.add': {
      lines({ input, output }) {
        const { userId, email } = output as Outputs['colleagues']['add'];
        return [
          {
            action: 'co_instructor.added',
            workshopId: (input as { id: WorkshopId }).id,
            target: { kind: 'person', id: userId, name: email },
          },
        ];
      },
    },
    'colleagues.remove': {
      async lines({ input, output }) {
        const { userId } = output as Outputs['colleagues']['remove'];
        return [
          {
            action: 'co_instructor.removed',
            workshopId: (input as { id: WorkshopId }).id,
            target: await person(userId),
          },
        ];
      },
    },
  };
}
