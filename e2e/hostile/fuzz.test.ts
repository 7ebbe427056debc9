import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { describe, it } from 'node:test';
import { listen } from '@clarateach/gateway/testing';
import fc from 'fast-check';
import { createSender, fuzz, sendAll } from './fuzz.ts';
import { fuzzes } from './fuzz-requests.ts';
import type { Operation } from './operations.ts';

/** The whole of it is `node e2e/hostile/fuzz.ts --requests 100000`. */
const REQUESTS = 3_000;
const SEED = Number(process.env.FUZZ_SEED ?? 20_260_101);

const ANY: Operation = {
  operationId: 'any',
  method: 'GET',
  path: '/any/{name}',
  parameters: [{ name: 'name', in: 'path' }],
  body: undefined,
  caller: undefined,
  statesSecurity: true,
};

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

  it('would find a server that falls over one character, and one that is gone', async () => {
    const server = createServer((request, response) => {
      if (request.url?.includes('%00')) response.writeHead(500);
      response.end();
    });
    const base = `http://127.0.0.1:${await listen(server)}`;
    server.unref();
    const target = { operations: [ANY], apiToken: 'a', seatToken: 'b', seat: '/seat', code: 'ABCDEF' };
    const failures: string[] = [];
    const sender = createSender(base);
    const all = fc.sample(fuzzes(target), { numRuns: 400, seed: SEED }).filter(({ kind }) => kind === 'http');
    await sendAll(sender, all, { where: 'here', statuses: {}, failures });
    sender.close();
    server.closeAllConnections();
    server.close();
    assert.ok(
      failures.length > 0 && failures.every((failure) => failure.startsWith('500: here')),
      failures.join('\n'),
    );
    const gone: string[] = [];
    const late = createSender(base);
    await sendAll(late, all.slice(0, 3), { where: 'gone', statuses: {}, failures: gone });
    late.close();
    assert.equal(gone.length, 3);
  });
});
