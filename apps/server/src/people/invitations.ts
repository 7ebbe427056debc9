import { randomUUID } from 'node:crypto';
import type { Role } from '@clarateach/contract/account';
import { PublicError } from '@clarateach/contract/errors';
import type { Invitation, SentInvitation } from '@clarateach/contract/people';
import type { Mailer } from '../mail/mailer.ts';
import { type Database, isUniqueViolation } from '../store/database.ts';
import type { InvitationsTable } from '../store/people-schema.ts';
import { hashOf, linkTo, newToken } from './mailed-links.ts';
import { mails } from './mails.ts';

const LIFETIME_DAYS = 7;
const DAY_MS = 24 * 60 * 60 * 1000;

/** Admins' invitations: one for each address, until it is taken up, taken back or too old. */
export interface Invitations {
  list(): Promise<Invitation[]>;
  /** Throws `already_exists` when the address has an account or an invitation. */
  send(admin: string, invited: { readonly email: string; readonly role: Role }): Promise<SentInvitation>;
  /** Throws `not_found`. */
  resend(id: string): Promise<SentInvitation>;
  /** Throws `not_found`. */
  revoke(id: string): Promise<void>;
  /** Of a link's token; undefined for one that is used, taken back, too old or made up. */
  byToken(token: string): Promise<{ readonly email: string; readonly role: Role } | undefined>;
  /** Of an address, while it is good. */
  byEmail(
    email: string,
  ): Promise<{ readonly id: string; readonly email: string; readonly role: Role } | undefined>;
  /** The address has an account now; without one, all addresses that have. */
  accepted(email?: string): Promise<void>;
}

export function createInvitations(deps: {
  readonly database: Database;
  readonly mailer: Mailer;
  readonly publicUrl: string;
  readonly now: () => number;
  readonly onError: (error: unknown) => void;
  /** Somebody has the account that they were invited to have. */
  readonly onAccepted?: ((invited: { readonly email: string; readonly role: Role }) => void) | undefined;
}): Invitations {
  const { mailer, publicUrl, now } = deps;
  const { db } = deps.database;

  const deliver = async (row: InvitationsTable, token: string): Promise<SentInvitation> => {
    const link = linkTo(publicUrl, token);
    const view = { ...(await viewOf(row)), mailed: false, link };
    if (mailer.kind === 'none') return view;
    try {
      await mailer.send(mails.invitation(row.email, link, { role: row.role, days: LIFETIME_DAYS }));
    } catch (error) {
      deps.onError(error);
      return view;
    }
    return mailer.kind === 'smtp' ? { ...view, mailed: true, link: null } : view;
  };

  const viewOf = async (row: InvitationsTable): Promise<Invitation> => {
    const inviter =
      row.invitedBy === null
        ? undefined
        : await db.selectFrom('users').select('name').where('id', '=', row.invitedBy).executeTakeFirst();
    return asInvitation({ ...row, inviter: inviter?.name ?? null }, now());
  };

  const fresh = (token: string) => ({
    hash: hashOf(token),
    sentAt: now(),
    expiresAt: now() + LIFETIME_DAYS * DAY_MS,
  });

  return {
    async list() {
      const rows = await db
        .selectFrom('invitations')
        .leftJoin('users', 'users.id', 'invitations.invitedBy')
        .selectAll('invitations')
        .select('users.name as inviter')
        .orderBy('sentAt', 'desc')
        .orderBy('invitations.id')
        .execute();
      return rows.map((row) => asInvitation(row, now()));
    },

    async send(admin, { email: typed, role }) {
      const email = typed.toLowerCase();
      const known = await db.selectFrom('users').select('id').where('email', '=', email).executeTakeFirst();
      if (known) {
        throw new PublicError('already_exists', 'Somebody with this address has an account already.', {
          field: 'email',
        });
      }
      const token = newToken();
      const row: InvitationsTable = { id: randomUUID(), email, role, invitedBy: admin, ...fresh(token) };
      try {
        await db.insertInto('invitations').values(row).execute();
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new PublicError(
          'already_exists',
          'This address is invited already. Send that invitation again, or take it back first.',
          { field: 'email', cause: error },
        );
      }
      return deliver(row, token);
    },

    async resend(id) {
      const token = newToken();
      const row = await db
        .updateTable('invitations')
        .set(fresh(token))
        .where('id', '=', id)
        .returningAll()
        .executeTakeFirst();
      if (!row) throw noSuchInvitation();
      return deliver(row, token);
    },

    async revoke(id) {
      const { numDeletedRows } = await db.deleteFrom('invitations').where('id', '=', id).executeTakeFirst();
      if (numDeletedRows === 0n) throw noSuchInvitation();
    },

    byToken: (token) =>
      db
        .selectFrom('invitations')
        .select(['email', 'role'])
        .where('hash', '=', hashOf(token))
        .where('expiresAt', '>', now())
        .executeTakeFirst(),

    byEmail: (email) =>
      db
        .selectFrom('invitations')
        .select(['id', 'email', 'role'])
        .where('email', '=', email.toLowerCase())
        .where('expiresAt', '>', now())
        .executeTakeFirst(),

    async accepted(email) {
      const accepted = await db
        .deleteFrom('invitations')
        .where('email', 'in', (select) =>
          select
            .selectFrom('users')
            .select('email')
            .$if(email !== undefined, (users) => users.where('email', '=', String(email).toLowerCase())),
        )
        .returning(['email', 'role'])
        .execute();
      for (const invited of accepted) deps.onAccepted?.(invited);
    },
  };
}

function noSuchInvitation(): PublicError {
  return new PublicError('not_found', 'This invitation is gone: it was taken up or taken back.');
}

function asInvitation(row: InvitationsTable & { inviter: string | null }, now: number): Invitation {
  return {
    id: row.id,
    email: row.email,
    role: row.role,
    invitedBy: row.inviter,
    sentAt: new Date(row.sentAt).toISOString(),
    expiresAt: new Date(row.expiresAt).toISOString(),
    expired: row.expiresAt <= now,
  };
}
