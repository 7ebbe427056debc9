import { createHash } from 'node:crypto';
import type { Odehash, WorkshopId } from '@clarateach/contract/ids';
import type { Clock, Revocations } from './ports.ts';

/** Every token of one learner of one workshop that was made before a moment is taken back. */
export interface Revocation {
  readonly workshopId: WorkshopId;
  readonly odehash: Odehash;
  /** Seconds since the epoch: tokens with an earlier `iat` are refused. */
  readonly before: number;
  /** Milliseconds since the epoch, from when on none of these tokens could be good anyway. */
  readonly expiresAt: number;
}

/**
 * Revocations in memory, as every verifier holds them. Entries are only ever added, so that what one
 * source has not heard of yet is not lost when another is asked; they go by themselves at their end.
 */
export interface RevocationList extends Revocations {
  /** Takes in what is new, and tells the listeners of it before it returns. Gives whether anything was. */
  add(revocations: Iterable<Revocation>): boolean;
  entries(): readonly Revocation[];
  /** Equal for equal lists, wherever they are. */
  digest(): string;
}

export function createRevocationList({ clock }: { clock: Clock }): RevocationList {
  const held = new Map<string, Revocation>();
  const listeners = new Set<(revocation: Revocation) => void>();
  let digest: string | undefined;

  const keyOf = (workshopId: string, odehash: string) => `${workshopId} ${odehash}`;

  const sweep = (): void => {
    const now = clock();
    for (const [key, { expiresAt }] of held) {
      if (expiresAt > now) continue;
      held.delete(key);
      digest = undefined;
    }
  };

  return {
    notBefore: (workshopId, odehash) =>
      // Nearly always nobody is removed, and then a request costs no key.
      held.size === 0 ? 0 : (held.get(keyOf(workshopId, odehash))?.before ?? 0),

    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    add(revocations) {
      sweep();
      const now = clock();
      const news: Revocation[] = [];
      for (const each of revocations) {
        const key = keyOf(each.workshopId, each.odehash);
        const known = held.get(key);
        if (each.expiresAt <= now || (known && known.before >= each.before)) continue;
        held.set(key, each);
        news.push(each);
      }
      if (news.length === 0) return false;
      digest = undefined;
      for (const each of news) for (const listener of listeners) listener(each);
      return true;
    },

    entries() {
      sweep();
      return [...held.values()];
    },

    digest() {
      sweep();
      digest ??= createHash('sha256')
        .update(
          [...held]
            .map(([key, { before }]) => `${key} ${before}\n`)
            .sort()
            .join(''),
        )
        .digest('base64url')
        .slice(0, 22);
      return digest;
    },
  };
}
