import type { AgentInfo } from '@clarateach/contract/agent-api';
import type { Worker } from './worker.ts';

/** An agent asks its own server up to three times before it answers. */
const ANSWER_MS = 10_000;
/** A worker that says other names than ours is told again after this, and then ever later: it may serve another installation. */
const AGAIN_MS = 500;
const SELDOM_MS = 60_000;

/** The keys that our tokens are signed with. */
export interface KeyIds {
  ids(): readonly string[];
  /** The name of the one that signs now. */
  signing(): string;
  /** Called after a key came or went. Returns the unsubscribe. */
  onChange(listener: () => void): () => void;
}

/** Sees to it that workers verify with the keys that count, and with no other. */
export interface WorkerKeys {
  /** Takes in what the worker said; one that still has other keys than ours is told. */
  heard(worker: Worker, info: AgentInfo): void;
  /** The keys have changed: tells the worker at once. */
  tell(worker: Worker): void;
  /** Whether it has the key that our tokens are signed with now, as far as is known. */
  verifiesOurs(worker: Worker): boolean;
}

interface Known {
  ids: readonly string[];
  /** Told so often since it had ours. */
  times: number;
  /** Milliseconds since the epoch. */
  nextAt: number;
  telling: boolean;
  /** The keys changed while it was being told. */
  again: boolean;
}

export function createWorkerKeys(deps: {
  readonly ours: Pick<KeyIds, 'ids' | 'signing'>;
  readonly now: () => number;
  readonly closing: AbortSignal;
  readonly onError: (error: unknown) => void;
}): WorkerKeys {
  const { now, closing } = deps;
  const known = new Map<string, Known>();
  const knownOf = ({ address }: Worker): Known => {
    const found = known.get(address) ?? { ids: [], times: 0, nextAt: 0, telling: false, again: false };
    known.set(address, found);
    return found;
  };
  const isOurs = (ids: readonly string[]): boolean => {
    const ours = deps.ours.ids();
    return ids.length === ours.length && ours.every((id) => ids.includes(id));
  };
  /** The first difference may be a change that one of us has not heard of yet, so it is not told at once. */
  const plan = (entry: Known): void => {
    entry.nextAt = now() + Math.min(AGAIN_MS * 2 ** entry.times, SELDOM_MS);
    entry.times++;
  };

  const push = async (worker: Worker, entry: Known): Promise<void> => {
    entry.telling = true;
    try {
      do {
        entry.again = false;
        entry.ids = await worker.agent.tellKeys(
          deps.ours.ids(),
          AbortSignal.any([closing, AbortSignal.timeout(ANSWER_MS)]),
        );
      } while (entry.again);
    } catch (error) {
      // The next heartbeats find the difference again.
      if (!closing.aborted && worker.state === 'up') deps.onError(error);
    } finally {
      entry.telling = false;
    }
  };

  return {
    heard(worker, { key_ids, addresses }) {
      const entry = knownOf(worker);
      if (entry.telling) return;
      entry.ids = key_ids;
      // One that browsers do not reach may have no keys, and needs none.
      const needsNone = key_ids.length === 0 && addresses.public_url === null;
      if (needsNone || isOurs(key_ids)) entry.times = 0;
      else if (entry.times === 0) plan(entry);
      else if (now() >= entry.nextAt) {
        plan(entry);
        void push(worker, entry);
      }
    },
    tell(worker) {
      const entry = knownOf(worker);
      entry.times = 0;
      entry.again = true;
      if (!entry.telling) void push(worker, entry);
    },
    verifiesOurs: (worker) => knownOf(worker).ids.includes(deps.ours.signing()),
  };
}
