import type { EntryPolicy } from '@clarateach/contract/entry';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import type { SeatFailure } from '@clarateach/seats/lifecycle';
import type { Generated } from 'kysely';
import type { AuditTables } from './audit-schema.ts';
import type { EntryTables } from './entry-schema.ts';
import type { PeopleTables } from './people-schema.ts';

/** Times are milliseconds since the epoch. */
export interface WorkshopsTable {
  id: WorkshopId;
  /** Normalised, unique among all workshops. */
  code: string;
  name: string;
  ownerId: string;
  runtime: RuntimeName;
  image: string | null;
  apiKeySealed: string | null;
  /** 1: the key is put into every seat; 0: it stays with the server. */
  injectApiKey: Generated<0 | 1>;
  entry: Generated<EntryPolicy>;
  /** Confirmed registrations at most; null for as many as come. */
  registrationCap: Generated<number | null>;
  /** JSON: what whoever registers is asked. */
  questions: Generated<string>;
  seatCount: number;
  ttlMinutes: number;
  wanted: 'running' | 'stopped' | 'gone';
  createdAt: number;
  startedAt: number | null;
  /** When the workshop stops by itself; null unless it is wanted running. */
  endsAt: number | null;
  /** Grows with every change of the workshop, its seats and its sessions; the id of its events. */
  revision: number;
  /** The server that may act on the seats until `leaseUntil`. */
  leaseHolder: string | null;
  leaseUntil: number | null;
}

/** A seat that is wanted, or of which something may be left; a stopped workshop has none. */
export interface SeatsTable {
  workshopId: WorkshopId;
  seat: number;
  /** Not `parked`: that is a server's own shutdown, and nobody's wish. */
  wanted: 'running' | 'restart' | 'reset' | 'gone';
  /** What the reconciler last saw. */
  seen: 'absent' | 'starting' | 'running' | 'exited' | 'lost';
  /** JSON of the whole `Observed`. */
  observed: string;
  /** Starts asked for since the seat last ran steadily. */
  attempts: number;
  ensuredAt: number | null;
  failedAt: number | null;
  failureKind: SeatFailure['kind'] | null;
  failureMessage: string | null;
  /** The worker that has it, by its agent's origin; null before it is placed, and where the server itself runs seats. */
  worker: string | null;
  /** The worker that was given up, with the files that were on it. */
  movedFrom: string | null;
  /** The workshop's revision when this row last changed; whoever changes it names the one they read. */
  revision: number;
}

/** A learner's claim on a seat. Its unique indexes are what makes two learners never get one seat. */
export interface SessionsTable {
  id: string;
  workshopId: WorkshopId;
  seat: number;
  odehash: Odehash;
  name: string;
  joinedAt: number;
}

/** Facts about this installation, such as its id. */
export interface SettingsTable {
  key: string;
  value: string;
}

export interface Schema extends PeopleTables, EntryTables, AuditTables {
  workshops: WorkshopsTable;
  seats: SeatsTable;
  sessions: SessionsTable;
  settings: SettingsTable;
}
