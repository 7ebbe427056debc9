import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Tokens made before there were scopes could do all that their owner may. */
const ALL_SCOPES = 'workshops:read workshops:write account admin';

export const accounts: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable('users').addColumn('disabledAt', 'bigint').execute();
    await db.schema.alterTable('authSessions').addColumn('lastSeenAt', 'bigint').execute();
    await db.schema
      .alterTable('apiTokens')
      .addColumn('scopes', 'text', (column) => column.notNull().defaultTo(ALL_SCOPES))
      .execute();
    await db.schema.alterTable('apiTokens').addColumn('expiresAt', 'bigint').execute();

    await db.schema
      .createTable('invitations')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('email', 'text', (column) => column.notNull().unique())
      .addColumn('role', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('invitedBy', 'text', (column) => column.references('users.id').onDelete('set null'))
      .addColumn('sentAt', 'bigint', (column) => column.notNull())
      .addColumn('expiresAt', 'bigint', (column) => column.notNull())
      .execute();
  },
};
