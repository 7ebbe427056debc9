import type { ServerMessage } from '@clarateach/contract/terminal';

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0;

/**
 * Reads a text frame of the terminal protocol; undefined for one that this page does not know, which a
 * newer server may send. By hand: a schema library would weigh more than the rest of the connection.
 */
export function readServerMessage(text: string): ServerMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const message = value as Record<string, unknown>;
  switch (message.type) {
    case 'ready': {
      const { offset, window } = message;
      return isCount(offset) && isCount(window) && window > 0 ? { type: 'ready', offset, window } : undefined;
    }
    case 'exit':
      return { type: 'exit', code: Number.isInteger(message.code) ? (message.code as number) : 0 };
    case 'error':
      return { type: 'error', code: String(message.code), message: String(message.message) };
    default:
      return undefined;
  }
}
