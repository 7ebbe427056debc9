import { hashOf, purposeOf } from '../people/mailed-links.ts';
import type { Database } from '../store/database.ts';
import type { Inputs, Line, Outputs, Rule } from './audit-rule.ts';

type Known = {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly disabledAt: unknown;
};

/** What a mailed link did; signing in is written down where the cookie is given. */
const DONE_BY_LINK: Readonly<Record<string, string>> = {
  'sign-up': 'person.signed_up',
  'reset-password': 'password.reset',
  'confirm-address': 'address.confirmed',
};

/** What invitations, accounts and sessions leave in the log. */
export function peopleRules(db: Database['db']): Readonly<Record<string, Rule>> {
  const user = (id: string): Promise<Known | undefined> =>
    db
      .selectFrom('users')
      .select(['id', 'email', 'role', 'disabledAt'])
      .where('id', '=', id)
      .executeTakeFirst();
  const asTarget = (id: string, known: unknown) =>
    ({ kind: 'person', id, name: (known as Known | undefined)?.email ?? '' }) as const;
  const invited =
    (action: string): Rule['lines'] =>
    ({ output }) => {
      const { email, role } = output as Outputs['people']['invite'];
      return [{ action, target: { kind: 'person', name: email }, details: { role } }];
    };

  return {
    'people.invite': { lines: invited('invitation.made') },
    'people.resend': { lines: invited('invitation.sent_again') },
    'people.revoke': {
      before: (input) =>
        db
          .selectFrom('invitations')
          .select(['email', 'role'])
          .where('id', '=', (input as Inputs['people']['revoke']).id)
          .executeTakeFirst(),
      lines: ({ before }) => {
        const { email = '', role = '' } = (before ?? {}) as { email?: string; role?: string };
        return [{ action: 'invitation.revoked', target: { kind: 'person', name: email }, details: { role } }];
      },
    },
    'people.change': {
      before: (input) => user((input as Inputs['people']['change']).id),
      lines({ output, before }) {
        const { id, email, role, disabled } = output as Outputs['people']['change'];
        const was = before as Known | undefined;
        const target = asTarget(id, { email });
        const lines: Line[] = [];
        if (was?.role !== role) lines.push({ action: 'person.role_changed', target, details: { role } });
        if ((was?.disabledAt != null) !== disabled) {
          lines.push({ action: disabled ? 'person.disabled' : 'person.enabled', target });
        }
        return lines;
      },
    },
    'people.endSessions': {
      lines({ output }) {
        const { id, email } = output as Outputs['people']['endSessions'];
        return [{ action: 'session.all_ended', target: asTarget(id, { email }) }];
      },
    },
    'people.remove': {
      before: (input) => user((input as Inputs['people']['remove']).params.id),
      lines({ input, before }) {
        const { params, query } = input as Inputs['people']['remove'];
        const workshopsHandedOver = query?.workshopsTo !== undefined;
        return [
          { action: 'person.removed', target: asTarget(params.id, before), details: { workshopsHandedOver } },
        ];
      },
    },

    'sessions.end': { lines: () => [{ action: 'session.ended' }] },
    'sessions.endOthers': {
      lines: ({ output }) => [
        {
          action: 'session.others_ended',
          details: { ended: (output as Outputs['sessions']['endOthers']).ended },
        },
      ],
    },

    'auth.open': {
      before: (input) => purposeOf(db, hashOf((input as Inputs['auth']['open']).token)),
      async lines({ before }) {
        const { purpose, email } = (before ?? {}) as { purpose?: string; email?: string };
        const action = DONE_BY_LINK[purpose ?? ''];
        if (action === undefined || email === undefined) return [];
        const known = await db
          .selectFrom('users')
          .select('id')
          .where('email', '=', email.toLowerCase())
          .executeTakeFirst();
        return [{ actor: { kind: 'person', id: known?.id ?? null, name: email }, action }];
      },
    },
  };
}
