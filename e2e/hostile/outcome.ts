import assert from 'node:assert/strict';

/** What became of one attack. */
export interface Outcome {
  readonly attack: string;
  readonly status: number;
  /** What shows that it went through, where the status does not. */
  readonly got?: string;
}

/** Attacks that went through, or that the server fell over. */
export function holesIn(outcomes: readonly Outcome[]): string[] {
  return outcomes
    .filter(({ status, got }) => status < 400 || status >= 500 || got !== undefined)
    .map(
      ({ attack, status, got }) => `${attack}: ${status}${got === undefined ? '' : ` ${got.slice(0, 120)}`}`,
    );
}

/** Every attack was refused as the caller's mistake. */
export function assertAllRefused(outcomes: readonly Outcome[], atLeast: number): void {
  assert.ok(outcomes.length >= atLeast, `only ${outcomes.length} attacks were tried`);
  assert.deepEqual(holesIn(outcomes), []);
}
