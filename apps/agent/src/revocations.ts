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
  take(request: RevocationsRequest, installation?: string): Promise<void>;
  /** Of what this installation has said since our start, or, before it said anything, of all: its server finds by it whether to tell us more. */
  digest(installation: string | undefined): string;
}

export async function openRevocations(deps: {
  readonly saved: SavedJson<RevocationsRequest>;
  readonly now: () => number;
}): Promise<KeptRevocations> {
  const list = createRevocationList({ clock: deps.now });
  list.add(entriesOf((await deps.saved.read()) ?? { revocations: [] }));
  /** All verify with one list; these only tell whose word is known. */
  const said = new Map<string, RevocationList>();
  const saidBy = (installation: string): RevocationList => {
    const known = said.get(installation) ?? createRevocationList({ clock: deps.now });
    said.set(installation, known);
    return known;
  };
  return {
    list,
    digest: (installation) =>
      ((installation === undefined ? undefined : said.get(installation)) ?? list).digest(),
    async take(request, installation) {
      if (installation !== undefined) saidBy(installation).add(entriesOf(request));
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
