import { z } from 'zod';
import { odehash, workshopId } from './ids.ts';

/** Who acted: somebody with an account, a learner, whoever operates the machine, the server itself, or nobody known. */
export const auditActorKind = z.enum(['person', 'learner', 'operator', 'system', 'anyone']);
export type AuditActorKind = z.infer<typeof auditActorKind>;
export const auditOutcome = z.enum(['done', 'refused']);
export type AuditOutcome = z.infer<typeof auditOutcome>;
export const auditTargetKind = z.enum([
  'workshop',
  'seat',
  'learner',
  'person',
  'token',
  'key',
  'installation',
]);
export type AuditTargetKind = z.infer<typeof auditTargetKind>;

/** One line of the audit log. Holds no secret and no control character. */
export const auditEntry = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  /** Such as `workshop.created`; stable. */
  action: z.string(),
  outcome: auditOutcome,
  actor: z.object({ kind: auditActorKind, id: z.string().nullable(), name: z.string() }),
  workshopId: workshopId.nullable(),
  target: z.object({ kind: auditTargetKind, id: z.string().nullable(), name: z.string() }).nullable(),
  /** Network address of whoever asked. */
  address: z.string().nullable(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type AuditEntry = z.infer<typeof auditEntry>;

export const MAX_AUDIT_PAGE = 200;

export const auditQuery = z.object({
  /** An action, or the beginning of one that ends in a dot: `workshop.` */
  action: z.string().max(64).optional(),
  /** Part of the actor's or the target's name, or their id. */
  who: z.string().trim().max(200).optional(),
  workshopId: workshopId.optional(),
  outcome: auditOutcome.optional(),
  from: z.iso.datetime({ offset: true }).optional(),
  /** Not included. */
  to: z.iso.datetime({ offset: true }).optional(),
  /** `next` of the page before. */
  cursor: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(MAX_AUDIT_PAGE).default(50),
});
export type AuditQuery = z.infer<typeof auditQuery>;

/** Newest first. `next` leads to what is older; null at the end. */
export const auditPage = z.object({ entries: z.array(auditEntry), next: z.string().nullable() });
export type AuditPage = z.infer<typeof auditPage>;

/** Whose data: a learner by return code, a learner by name within a workshop, or somebody with an account. */
export const dataSubject = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('return-code'), odehash }),
  z.object({
    kind: z.literal('learner'),
    workshopId,
    name: z
      .string()
      .trim()
      .min(1, 'Type the name that the learner joined with.')
      .max(60, 'A name has at most 60 characters.'),
  }),
  z.object({
    kind: z.literal('account'),
    email: z
      .string()
      .trim()
      .min(1, 'Type the e-mail address.')
      .max(200, 'An address has at most 200 characters.'),
  }),
]);
export type DataSubject = z.infer<typeof dataSubject>;

/** Everything that is kept of somebody, by source. Secrets are left out. */
export const personalData = z.object({
  subject: dataSubject,
  exportedAt: z.iso.datetime(),
  data: z.record(z.string(), z.array(z.record(z.string(), z.unknown()))),
});
export type PersonalDataExport = z.infer<typeof personalData>;

export const deleteDataBody = z.object({
  subject: dataSubject,
  /** Said again, because it cannot be undone. */
  confirm: z.literal(true, 'Confirm with true that the data is to be deleted for good.'),
});
/** How many records of each source were deleted or anonymised. */
export const deletedData = z.object({ deleted: z.record(z.string(), z.number().int()) });
export type DeletedData = z.infer<typeof deletedData>;
