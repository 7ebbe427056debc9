import type { NotRun } from './run-group.ts';

/**
 * Tests that need what not every machine can have. Not running fails no run, also not in CI, but each
 * is printed with its reason. All others must run wherever CI is.
 */
const ELSEWHERE = [
  // KVM that runs a stock guest, and Firecracker: a stand-in that knows its API takes its place.
  'Firecracker’s own program takes the requests and brings a guest up, jailed',
  'Firecracker’s own program saves a guest, and its copies go on when they are woken',
  // A file of Firecracker's publisher, which the stand-in's shapes were read from.
  'has the shapes of Firecracker’s own description',
];

export function mustRun({ test }: NotRun): boolean {
  return !ELSEWHERE.includes(test);
}
