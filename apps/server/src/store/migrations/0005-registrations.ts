import { type Kysely, sql } from 'kysely';
import type { Migration } from 'kysely/migration';

export const registrations: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema
      .alterTable('workshops')
      .addColumn('entry', 'text', (column) => column.notNull().defaultTo('open'))
      .execute();
    await db.schema.alterTable('workshops').addColumn('registrationCap', 'integer').execute();
    await db.schema
      .alterTable('workshops')
      .addColumn('questions', 'text', (column) => column.notNull().defaultTo('[]'))
      .execute();
    await db.schema
      .alterTable('workshops')
      .addColumn('injectApiKey', 'integer', (column) => column.notNull().defaultTo(0))
      .execute();
    // Keys that were given until now went into the seats, and classes that are under way rely on it.
    await sql`update workshops set inject_api_key = 1 where api_key_sealed is not null`.execute(db);

    await db.schema
      .createTable('registrations')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('workshopId', 'text', (column) =>
        column.notNull().references('workshops.id').onDelete('cascade'),
      )
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('accessCode', 'text', (column) => column.notNull().unique())
      .addColumn('odehash', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('email', 'text')
      .addColumn('answers', 'text', (column) => column.notNull())
      .addColumn('source', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('registeredAt', 'bigint', (column) => column.notNull())
      .addColumn('cameAt', 'bigint')
      .addColumn('seat', 'integer')
      .addUniqueConstraint('registrationsNumber', ['workshopId', 'number'])
      .addUniqueConstraint('registrationsLearner', ['workshopId', 'odehash'])
      .execute();
    await db.schema
      .createIndex('registrationsEmail')
      .unique()
      .on('registrations')
      .columns(['workshopId', 'email'])
      .where(sql.ref('state'), '!=', sql.lit('cancelled'))
      .execute();

    await db.schema
      .createTable('coInstructors')
      .addColumn('workshopId', 'text', (column) =>
        column.notNull().references('workshops.id').onDelete('cascade'),
      )
      .addColumn('userId', 'text', (column) => column.notNull().references('users.id').onDelete('cascade'))
      .addColumn('addedAt', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('coInstructorsPrimary', ['workshopId', 'userId'])
      .execute();
    await db.schema.createIndex('coInstructorsUser').on('coInstructors').column('userId').execute();

    await db.schema
      .createTable('handOvers')
      .addColumn('hash', 'text', (column) => column.primaryKey())
      .addColumn('sessionId', 'text', (column) =>
        column.notNull().references('sessions.id').onDelete('cascade'),
      )
      .addColumn('workshopId', 'text', (column) => column.notNull())
      .addColumn('expiresAt', 'bigint', (column) => column.notNull())
      .execute();
    await db.schema.createIndex('handOversSession').on('handOvers').column('sessionId').execute();
  },
};
