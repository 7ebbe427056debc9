import type { AuditEntry, AuditPage, AuditQuery } from '@clarateach/contract/audit';
import { type Selectable, sql } from 'kysely';
import type { AuditLogTable } from '../store/audit-schema.ts';
import type { Database } from '../store/database.ts';

/** The audit log, newest first, in pages that stay apart while lines are added. */
export async function auditPage({ db }: Database, query: AuditQuery): Promise<AuditPage> {
  const { action, who, workshopId, outcome, from, to, cursor, limit } = query;
  let rows = db.selectFrom('auditLog').selectAll();
  if (action !== undefined && action !== '') {
    rows = action.endsWith('.')
      ? rows.where('action', '>=', action).where('action', '<', `${action.slice(0, -1)}/`)
      : rows.where('action', '=', action);
  }
  if (who !== undefined && who !== '') {
    const part = (text: string) => `%${text.replace(/[\\%_]/g, (letter) => `\\${letter}`)}%`;
    rows = rows.where((eb) =>
      eb.or([
        eb('actorId', '=', who),
        eb('targetId', '=', who),
        ...(['actorName', 'targetName'] as const).flatMap((column) => [
          sql<boolean>`lower(${sql.ref(column)}) like ${part(who.toLowerCase())} escape '\\'`,
          // SQLite lowers ASCII letters alone.
          sql<boolean>`${sql.ref(column)} like ${part(who)} escape '\\'`,
        ]),
      ]),
    );
  }
  if (workshopId !== undefined) rows = rows.where('workshopId', '=', workshopId);
  if (outcome !== undefined) rows = rows.where('outcome', '=', outcome);
  if (from !== undefined) rows = rows.where('at', '>=', Date.parse(from));
  if (to !== undefined) rows = rows.where('at', '<', Date.parse(to));
  if (cursor !== undefined) rows = rows.where('id', '<', cursor);
  // One more than asked for tells whether there is another page.
  const found = await rows
    .orderBy('id', 'desc')
    .limit(limit + 1)
    .execute();
  const entries = found.slice(0, limit);
  return {
    entries: entries.map(entryOf),
    next: found.length > limit ? (entries.at(-1)?.id ?? null) : null,
  };
}

export function entryOf(row: Selectable<AuditLogTable>): AuditEntry {
  return {
    id: row.id,
    at: new Date(row.at).toISOString(),
    action: row.action,
    outcome: row.outcome,
    actor: { kind: row.actorKind, id: row.actorId, name: row.actorName },
    workshopId: row.workshopId,
    target: row.targetKind === null ? null : { kind: row.targetKind, id: row.targetId, name: row.targetName },
    address: row.address,
    details: JSON.parse(row.details) as AuditEntry['details'],
  };
}
