import type { RegistrationState } from '@clarateach/contract/entry';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';

/** Times are milliseconds since the epoch. */
export interface RegistrationsTable {
  id: string;
  workshopId: WorkshopId;
  /** The order in which they came, counted from 1 in each workshop; the waiting list moves up by it. */
  number: number;
  /** Normalised, unique among all workshops. */
  accessCode: string;
  /** What the access code stands for at a seat: it leads back to the same one. */
  odehash: Odehash;
  name: string;
  /** Lower case; unique among those of a workshop that are not cancelled. */
  email: string | null;
  /** JSON: answers by the question's label. */
  answers: string;
  source: 'self' | 'list';
  state: RegistrationState;
  registeredAt: number;
  /** When they first took a seat. */
  cameAt: number | null;
  /** The seat they took last. */
  seat: number | null;
}

/** Who runs a workshop besides its owner. */
export interface CoInstructorsTable {
  workshopId: WorkshopId;
  userId: string;
  addedAt: number;
}

/** Links that give a learner's seat to another browser, once. */
export interface HandOversTable {
  /** SHA-256 of the token, in hex; the token itself is nowhere kept. */
  hash: string;
  sessionId: string;
  workshopId: WorkshopId;
  expiresAt: number;
}

export interface EntryTables {
  registrations: RegistrationsTable;
  coInstructors: CoInstructorsTable;
  handOvers: HandOversTable;
}
