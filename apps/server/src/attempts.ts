import { isIPv6 } from 'node:net';
import { PublicError } from '@clarateach/contract/errors';

const MAX_KEYS = 20_000;
/** Levels are sums of fractions. */
const SLACK = 1e-6;

/**
 * Slows guessing: every failure of a key fills its bucket, time empties it, and a full bucket
 * refuses before anything is looked at. What succeeds is not counted, so a whole class behind one
 * address is not slowed. In memory: each server of an installation counts for itself.
 */
export interface Attempts {
  /** Throws `too_many_attempts` while the key's bucket is full. */
  check(key: string): void;
  /** Counts a failure. */
  count(key: string): void;
  /** Takes one failure back: what was counted before it was tried has succeeded. */
  forgive(key: string): void;
}

export function createAttempts(options: {
  /** Failures that are let through at once. */
  readonly burst: number;
  readonly perMinute: number;
  readonly now: () => number;
  /** What a refusal begins with. */
  readonly refusal?: string;
}): Attempts {
  const { burst, perMinute, now, refusal = 'Too many wrong tries.' } = options;
  /** Failures under way together can overfill a bucket; they are paid for, within reason. */
  const fullest = burst + perMinute * 5;
  const perMs = perMinute / 60_000;
  const buckets = new Map<string, { level: number; at: number }>();

  const levelOf = (key: string): number => {
    const bucket = buckets.get(key);
    return bucket ? Math.max(0, bucket.level - (now() - bucket.at) * perMs) : 0;
  };

  const set = (key: string, level: number): void => {
    // The newest go to the end, so that the oldest are the first to be forgotten.
    buckets.delete(key);
    if (level > 0) buckets.set(key, { level, at: now() });
    if (buckets.size <= MAX_KEYS) return;
    const oldest = buckets.keys().next().value;
    if (oldest !== undefined) buckets.delete(oldest);
  };

  return {
    check(key) {
      const level = levelOf(key);
      if (level < burst - 1 + SLACK) return;
      const waitMs = Math.round((level - (burst - 1)) / perMs);
      const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
      throw new PublicError(
        'too_many_attempts',
        `${refusal} Wait ${retryAfterSeconds === 1 ? 'a second' : `${retryAfterSeconds} seconds`}, then try again.`,
        { retryAfterSeconds },
      );
    },
    count: (key) => set(key, Math.min(levelOf(key) + 1, fullest)),
    forgive: (key) => set(key, levelOf(key) - 1),
  };
}

/** The key of a network address. One IPv6 customer has a whole /64, so its addresses count as one. */
export function addressKey(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1]) return mapped[1];
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => '0'), ...back];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
