import { type RevocationsRequest, revocationsRequest } from '@clarateach/contract/agent-api';
import { createRevocationList, type RevocationList } from '@clarateach/gateway/revocation-list';
import { z } from 'zod';
import type { SavedJson } from './saved-json.ts';

/** What is kept may be more than one request brought. */
export const savedRevocations = z.object({
  revocations: z.array(revocationsRequest.shape.revocations.element),
});

/** Tokens that the server took back; kept on disk for a restart without a server. */
export interface KeptRevocations {
  readonly list: RevocationList;
  /** Takes in the server's list. Connections have ended and no such token passes when it is called; it resolves once that outlives a restart. */
  take(request: RevocationsRequest): Promise<void>;
}

export async function openRevocations(deps: {
  readonly saved: SavedJson<RevocationsRequest>;
  readonly now: () => number;
}): Promise<KeptRevocations> {
  const list = createRevocationList({ clock: deps.now });
  list.add(entriesOf((await deps.saved.read()) ?? { revocations: [] }));
  return {
    list,
    async take(request) {
      if (!list.add(entriesOf(request))) return;
      await deps.saved.write({
        revocations: list.entries().map(({ workshopId, odehash, before, expiresAt }) => ({
          workshop_id: workshopId,
          odehash,
          before,
          expires_at: expiresAt,
        })),
      });
    },
  };
}

function entriesOf({ revocations }: RevocationsRequest) {
  return revocations.map(({ workshop_id, odehash, before, expires_at }) => ({
    workshopId: workshop_id,
    odehash,
    before,
    expiresAt: expires_at,
  }));
}
