import { type HolderRequest, holderRequest } from '@clarateach/contract/agent-api';
import { type SeatId, seatName } from '@clarateach/contract/ids';
import { z } from 'zod';
import { AgentError } from './errors.ts';
import type { SavedJson } from './saved-json.ts';

export const savedHolders = z.record(z.string(), holderRequest);

/** Whose tokens pass for each seat, as the server said last; kept on disk for a restart without a server. */
export interface Holders {
  of(id: SeatId): HolderRequest | undefined;
  /** Throws `superseded` for a word that is older than the one we have. */
  set(id: SeatId, holder: HolderRequest): Promise<void>;
  forget(id: SeatId): Promise<void>;
}

export async function openHolders(saved: SavedJson<Record<string, HolderRequest>>): Promise<Holders> {
  const known = new Map(Object.entries((await saved.read()) ?? {}));
  const save = () => saved.write(Object.fromEntries(known));
  return {
    of: (id) => known.get(seatName(id)),
    async set(id, holder) {
      const name = seatName(id);
      const old = known.get(name);
      if (old && old.revision > holder.revision) {
        throw new AgentError('superseded', `The agent knows a later holder of ${name}.`);
      }
      known.set(name, holder);
      if (old?.odehash !== holder.odehash || old?.revision !== holder.revision) await save();
    },
    async forget(id) {
      if (known.delete(seatName(id))) await save();
    },
  };
}
