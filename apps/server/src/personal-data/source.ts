import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import type { Revocation } from '@clarateach/gateway/revocation-list';
import type { Kysely, Transaction } from 'kysely';
import type { RegistrationRow } from '../entry/store.ts';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';
import type { WorkshopRow } from '../workshops/store.ts';

/** Somebody whose data is asked for, as the database knows them. */
export interface DataPerson {
  /** Where they are, or were, a learner. */
  readonly learners: readonly { readonly workshopId: WorkshopId; readonly odehash: Odehash }[];
  /** Their names as learners in the audit log. */
  readonly pseudonyms: readonly string[];
  /** Lower case, where they are asked for by it. */
  readonly email?: string;
  /** Of the account that has the address. */
  readonly userId?: string;
}

export interface Erasure {
  readonly database: Database;
  readonly now: number;
  /** The admin who does it, and takes over what must not be without an owner until it is gone. */
  readonly byUserId: string;
  /** What others have to hear of once it is committed. */
  readonly revoked: Revocation[];
  readonly changed: Set<WorkshopId>;
  /** Who has a place now because another's was given up. */
  readonly movedUp: { readonly workshop: WorkshopRow; readonly registrations: readonly RegistrationRow[] }[];
}

/**
 * A place where data about people is kept. Whoever adds a table with such data adds a source to
 * `SOURCES`: exports and deletions then cover it.
 */
export interface PersonalDataSource {
  /** The key of its records in an export. */
  readonly name: string;
  /** Its records of this person, without secrets; none when it holds nothing about them. */
  read(db: Kysely<Schema>, person: DataPerson): Promise<readonly Record<string, unknown>[]>;
  /** Deletes or anonymises them, and gives how many. Sources are erased in the order of the list. */
  erase(trx: Transaction<Schema>, person: DataPerson, erasure: Erasure): Promise<number>;
}

export const time = (epochMs: number): string => new Date(epochMs).toISOString();
