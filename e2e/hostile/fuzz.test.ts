import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fuzz } from './fuzz.ts';

/** The whole of it is `node e2e/hostile/fuzz.ts --requests 100000`. */
const REQUESTS = 3_000;
const SEED = Number(process.env.FUZZ_SEED ?? 20_260_101);

describe('generated requests', () => {
  it('cause no 5xx, no crash and no leak', async (context) => {
    const report = await fuzz({ requests: REQUESTS, seed: SEED });
    context.diagnostic(
      `seed ${report.seed}: ${report.requests} requests, ${report.frames} frames, ${report.seconds} s`,
    );
    context.diagnostic(JSON.stringify(report.statuses));
    assert.deepEqual(report.failures, [], `again with FUZZ_SEED=${SEED}`);
    // Requests that are all turned away at the door would show nothing.
    assert.ok((report.statuses['200'] ?? 0) > REQUESTS / 20, JSON.stringify(report.statuses));
    assert.ok((report.statuses['101'] ?? 0) > REQUESTS / 50, JSON.stringify(report.statuses));
  });
});
