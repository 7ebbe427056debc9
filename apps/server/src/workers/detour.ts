import type { Worker } from './worker.ts';

/** A worker refuses tokens of its future by half a minute, and ends those that are used near their end too early. */
const CLOCKS_APART_MS = 20_000;

/**
 * Why browsers that could reach the worker are led through this server instead, a sentence for its operator; empty
 * where they are not. `verifiesOurs`: whether it has the key that signs our tokens.
 */
export function detourReason(
  { address, clockAheadMs }: Pick<Worker, 'address' | 'clockAheadMs'>,
  verifiesOurs: boolean,
): string {
  const { host } = new URL(address);
  const apartMs = Math.abs(clockAheadMs);
  if (apartMs > CLOCKS_APART_MS) {
    return (
      `The clock of the worker ${host} is ${Math.round(apartMs / 1000)} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} ` +
      'this server’s: it would refuse good tokens, so learners reach its seats through this server. Set both clocks, as with NTP.'
    );
  }
  if (verifiesOurs) return '';
  return (
    `The worker ${host} does not have the key that this server signs seat tokens with, ` +
    'so learners reach its seats through this server. Unless it serves another installation too, set SERVER_URL ' +
    'there to this server’s address, and see in its log why it cannot fetch the keys.'
  );
}
