import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const workshops: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .createTable('workshops')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('code', 'text', (column) => column.notNull().unique())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('ownerId', 'text', (column) => column.notNull().references('users.id'))
      .addColumn('runtime', 'text', (column) => column.notNull())
      .addColumn('image', 'text')
      .addColumn('apiKeySealed', 'text')
      .addColumn('seatCount', 'integer', (column) => column.notNull())
      .addColumn('ttlMinutes', 'integer', (column) => column.notNull())
      .addColumn('wanted', 'text', (column) => column.notNull())
      .addColumn('createdAt', 'bigint', (column) => column.notNull())
      .addColumn('startedAt', 'bigint')
      .addColumn('endsAt', 'bigint')
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('leaseHolder', 'text')
      .addColumn('leaseUntil', 'bigint')
      .execute();
    await db.schema.createIndex('workshopsOwner').on('workshops').column('ownerId').execute();

    await db.schema
      .createTable('seats')
      .addColumn('workshopId', 'text', (column) =>
        column.notNull().references('workshops.id').onDelete('cascade'),
      )
      .addColumn('seat', 'integer', (column) => column.notNull())
      .addColumn('wanted', 'text', (column) => column.notNull())
      .addColumn('seen', 'text', (column) => column.notNull())
      .addColumn('observed', 'text', (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('ensuredAt', 'bigint')
      .addColumn('failedAt', 'bigint')
      .addColumn('failureKind', 'text')
      .addColumn('failureMessage', 'text')
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('seatsPrimary', ['workshopId', 'seat'])
      .execute();

    await db.schema
      .createTable('sessions')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('workshopId', 'text', (column) => column.notNull())
      .addColumn('seat', 'integer', (column) => column.notNull())
      .addColumn('odehash', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('joinedAt', 'bigint', (column) => column.notNull())
      .addForeignKeyConstraint(
        'sessionsSeat',
        ['workshopId', 'seat'],
        'seats',
        ['workshopId', 'seat'],
        (constraint) => constraint.onDelete('cascade'),
      )
      .addUniqueConstraint('sessionsOnePerSeat', ['workshopId', 'seat'])
      .addUniqueConstraint('sessionsOnePerLearner', ['workshopId', 'odehash'])
      .execute();

    await db.schema
      .createTable('settings')
      .addColumn('key', 'text', (column) => column.primaryKey())
      .addColumn('value', 'text', (column) => column.notNull())
      .execute();
  },
};
