import { type SeatId, seatName } from '@clarateach/contract/ids';
import type { RuntimeName } from '@clarateach/contract/runtime';
import type { SeatProvider } from '@clarateach/seats/provider';
import type { Database } from '../store/database.ts';

const DESTROY_MS = 60_000;

/**
 * Removes what providers hold of seats that nobody wants: left by a crash between a call and its
 * row, or by a database that was restored from a backup. A wanted seat has its row before it is
 * made, so what has none in this order of looks is an orphan. A row protects its seat in every
 * runtime: what one holds of another's may be all that is left of it.
 */
export async function removeOrphans(
  deps: {
    readonly database: Database;
    readonly providers: ReadonlyMap<RuntimeName, SeatProvider>;
    /** The names of seats that are being removed: they are not to be made meanwhile. */
    readonly removing: Set<string>;
    onError(error: unknown, id: SeatId): void;
    onSuperviseError(error: unknown): void;
  },
  signal: AbortSignal,
): Promise<void> {
  for (const provider of [...deps.providers.values()]) {
    let held: readonly SeatId[];
    try {
      held = await provider.list(signal);
    } catch (error) {
      if (signal.aborted) return;
      deps.onSuperviseError(error);
      continue;
    }
    if (held.length === 0) continue;
    const rows = await deps.database.db.selectFrom('seats').select(['workshopId', 'seat']).execute();
    const known = new Set(rows.map((row) => seatName({ workshop: row.workshopId, seat: row.seat })));
    for (const id of held) {
      if (signal.aborted) return;
      if (known.has(seatName(id))) continue;
      deps.removing.add(seatName(id));
      try {
        // Its turn may have come late, and it may be wanted since.
        if (await hasRow(deps.database, id)) continue;
        await provider.destroy(id, AbortSignal.any([signal, AbortSignal.timeout(DESTROY_MS)]));
      } catch (error) {
        if (signal.aborted) return;
        deps.onError(error, id);
      } finally {
        deps.removing.delete(seatName(id));
      }
    }
  }
}

async function hasRow({ db }: Database, { workshop, seat }: SeatId): Promise<boolean> {
  const row = await db
    .selectFrom('seats')
    .select('seat')
    .where('workshopId', '=', workshop)
    .where('seat', '=', seat)
    .executeTakeFirst();
  return row !== undefined;
}
