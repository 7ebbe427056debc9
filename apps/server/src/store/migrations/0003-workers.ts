import type { Kysely } from 'kysely';
import type { Migration } from 'kysely/migration';

export const workers: Migration = {
  async up(db: Kysely<unknown>) {
    await db.schema.alterTable('seats').addColumn('worker', 'text').execute();
    await db.schema.alterTable('seats').addColumn('movedFrom', 'text').execute();
    await db.schema.createIndex('seatsWorker').on('seats').column('worker').execute();
  },
};
