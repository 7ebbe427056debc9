import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

/** Who was removed from which workshop, tokens taken back, secrets of the installation, and the audit log. */
export const auditAndRevocations: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('removals')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('workshopId', 'text', (column) =>
        column.notNull().references('workshops.id').onDelete('cascade'),
      )
      .addColumn('odehash', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('seat', 'integer', (column) => column.notNull())
      .addColumn('removedAt', 'bigint', (column) => column.notNull())
      .addUniqueConstraint('removalsOnePerLearner', ['workshopId', 'odehash'])
      .execute();

    // Not tied to the workshop's row: tokens outlive it.
    await db.schema
      .createTable('revocations')
      .addColumn('workshopId', 'text', (column) => column.notNull())
      .addColumn('odehash', 'text', (column) => column.notNull())
      .addColumn('before', 'bigint', (column) => column.notNull())
      .addColumn('expiresAt', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('revocationsPrimary', ['workshopId', 'odehash'])
      .execute();

    await db.schema
      .createTable('sealedSecrets')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('sealed', 'text', (column) => column.notNull())
      .execute();

    await db.schema
      .createTable('auditLog')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('action', 'text', (column) => column.notNull())
      .addColumn('outcome', 'text', (column) => column.notNull())
      .addColumn('actorKind', 'text', (column) => column.notNull())
      .addColumn('actorId', 'text')
      .addColumn('actorName', 'text', (column) => column.notNull())
      .addColumn('workshopId', 'text')
      .addColumn('targetKind', 'text')
      .addColumn('targetId', 'text')
      .addColumn('targetName', 'text', (column) => column.notNull())
      .addColumn('address', 'text')
      .addColumn('details', 'text', (column) => column.notNull())
      .execute();
    // Pages are read newest first; ids grow with time.
    await db.schema.createIndex('auditLogActor').on('auditLog').columns(['actorId', 'id']).execute();
    await db.schema.createIndex('auditLogTarget').on('auditLog').columns(['targetId', 'id']).execute();
    await db.schema.createIndex('auditLogWorkshop').on('auditLog').columns(['workshopId', 'id']).execute();
    await db.schema.createIndex('auditLogAt').on('auditLog').column('at').execute();
  },
};
