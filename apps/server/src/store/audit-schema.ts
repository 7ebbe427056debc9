import type { AuditActorKind, AuditOutcome, AuditTargetKind } from '@clarateach/contract/audit';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';

/** Times are milliseconds since the epoch, unless they say otherwise. */

/** A learner who may not come back, until an instructor lets them. */
export interface RemovalsTable {
  id: string;
  workshopId: WorkshopId;
  odehash: Odehash;
  name: string;
  /** The seat that they had. */
  seat: number;
  removedAt: number;
}

/** A learner's tokens that count no more. */
export interface RevocationsTable {
  workshopId: WorkshopId;
  odehash: Odehash;
  /** Seconds since the epoch: tokens with an earlier `iat` are refused. */
  before: number;
  /** From then on none of these tokens could be used or renewed anyway. */
  expiresAt: number;
}

/** Secrets of the installation that its own secret seals. */
export interface SealedSecretsTable {
  name: string;
  sealed: string;
}

/** Who did what. Rows are added, anonymised when a person's data is deleted, and removed by age. */
export interface AuditLogTable {
  /** Grows with time, so that it orders the lines. */
  id: string;
  at: number;
  action: string;
  outcome: AuditOutcome;
  actorKind: AuditActorKind;
  /** A user's id, or the pseudonym of a learner. */
  actorId: string | null;
  actorName: string;
  workshopId: WorkshopId | null;
  targetKind: AuditTargetKind | null;
  targetId: string | null;
  targetName: string;
  address: string | null;
  /** JSON: an object of texts and numbers. */
  details: string;
}

export interface AuditTables {
  removals: RemovalsTable;
  revocations: RevocationsTable;
  sealedSecrets: SealedSecretsTable;
  auditLog: AuditLogTable;
}
