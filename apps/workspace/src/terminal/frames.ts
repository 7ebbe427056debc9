import type { ClientMessage } from '@clarateach/contract/terminal';

/** A control message is no longer. */
const MAX_CHARACTERS = 4096;

/**
 * A text frame as `clientMessage` of the contract accepts it; undefined for everything else. By hand,
 * because the schema library costs a seat 4.5 MB of memory; its test holds it to the schema.
 */
export function parseClientMessage(text: string): ClientMessage | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { type, cols, rows, after = 0, mode = 'write', bytes } = value as Record<string, unknown>;
  switch (type) {
    case 'attach':
      if (!isIn(cols, 1, 1000) || !isIn(rows, 1, 1000) || !isIn(after, 0)) return undefined;
      if (mode !== 'write' && mode !== 'read') return undefined;
      return { type, cols, rows, after, mode };
    case 'resize':
      return isIn(cols, 1, 1000) && isIn(rows, 1, 1000) ? { type, cols, rows } : undefined;
    case 'ack':
      return isIn(bytes, 1) ? { type, bytes } : undefined;
    default:
      return undefined;
  }
}

function isIn(value: unknown, least: number, most = Number.MAX_SAFE_INTEGER): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}
