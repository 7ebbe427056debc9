import { agentInstallation } from '@clarateach/contract/agent-api';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import { z } from 'zod';
import type { SavedJson } from './saved-json.ts';

export const savedOwners = z.record(z.string(), agentInstallation);

/** Whose seats these are, by installation; kept on disk, so that a restart mixes up nobody's. */
export interface Owners {
  /** Null for a seat that nobody has labelled. */
  of(id: SeatId): string | null;
  /** Resolves when the label is on disk. A label stays until the seat is forgotten. */
  label(id: SeatId, installation: string): Promise<void>;
  forget(id: SeatId): Promise<void>;
}

export async function openOwners(saved: SavedJson<Record<string, string>>): Promise<Owners> {
  const known = new Map(Object.entries((await saved.read()) ?? {}));
  const save = () => saved.write(Object.fromEntries(known));
  return {
    of: (id) => known.get(seatName(id)) ?? null,
    async label(id, installation) {
      const name = seatName(id);
      if (known.has(name)) return;
      known.set(name, installation);
      await save();
    },
    async forget(id) {
      if (known.delete(seatName(id))) await save();
    },
  };
}
