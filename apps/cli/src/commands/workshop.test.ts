import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { SeatPhase, WorkshopDetails, WorkshopPhase } from '@clarateach/contract/workshop';
import { runCli } from '../testing/run-cli.ts';

const ID = 'ws-abcd2345';
const TOKEN = 'ctk_test';

function workshop(phase: WorkshopPhase, seat: SeatPhase, reason = ''): WorkshopDetails {
  return {
    id: ID as WorkshopDetails['id'],
    name: 'Claude CLI Basics',
    code: 'ABC234',
    joinUrl: 'http://localhost:8080/join/ABC234',
    runtime: 'local',
    phase,
    seatCount: 1,
    readySeats: phase === 'ready' ? 1 : 0,
    occupiedSeats: 0,
    createdAt: '2026-03-01T10:00:00.000Z',
    startedAt: null,
    endsAt: null,
    ttlMinutes: 240,
    image: null,
    entry: 'open',
    ownerId: 'u1',
    hasApiKey: false,
    injectApiKey: false,
    seats: [{ seat: 1, phase: seat, reason, movesAt: null, attempts: 0, learner: null }],
  };
}

/** Answers as the API does, so that the client's side of the wire is tested alone. */
describe('the workshop commands', () => {
  const requests: { method: string; url: string; body: string; authorization: string | undefined }[] = [];
  let outcome: { phase: WorkshopPhase; seat: SeatPhase; reason: string };
  let url: string;

  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      requests.push({
        method: request.method ?? '',
        url: request.url ?? '',
        body,
        authorization: request.headers.authorization,
      });
      answer(request, response);
    });
  });

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const json = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    const path = request.url?.split('?')[0];
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      json(401, { error: { code: 'unauthenticated', message: 'Sign in first.', requestId: 'r1' } });
    } else if (path === '/api/workshops' && request.method === 'GET') {
      json(200, { workshops: [workshop('stopped', 'off')] });
    } else if (path === '/api/workshops') {
      json(202, workshop('starting', 'starting'));
    } else if (path === `/api/workshops/${ID}/events`) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const { seats, ...summary } = workshop(outcome.phase, outcome.seat, outcome.reason);
      const events = [
        { type: 'seat', seat: { ...seats[0], phase: 'starting' } },
        { type: 'seat', seat: seats[0] },
        { type: 'workshop', workshop: summary },
      ];
      for (const event of events) response.write(`event: message\nid: 1\ndata: ${JSON.stringify(event)}\n\n`);
      request.socket.on('close', () => response.end());
    } else if (path === `/api/workshops/${ID}`) {
      json(200, workshop(outcome.phase, outcome.seat, outcome.reason));
    } else {
      json(404, { error: { code: 'not_found', message: 'There is no such workshop.', requestId: 'r2' } });
    }
  }

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const cli = (args: readonly string[], stdin?: string) =>
    runCli(['workshop', ...args], {
      env: { CLARATEACH_URL: url, CLARATEACH_TOKEN: TOKEN },
      ...(stdin === undefined ? {} : { stdin }),
    });

  it('lists workshops as a table and as JSON', async () => {
    const table = await cli(['list']);
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /^ID +NAME +CODE/);
    assert.match(table.stdout, /ws-abcd2345 +Claude CLI Basics +ABC234 +local +stopped +0\/1/);
    const json = await cli(['list', '--json']);
    assert.equal((JSON.parse(json.stdout) as WorkshopDetails[])[0]?.id, ID);
  });

  it('makes a workshop, tells each seat as it comes up, and ends with 0 when all are ready', async () => {
    outcome = { phase: 'ready', seat: 'ready', reason: '' };
    const result = await cli(
      ['create', 'Basics', '--seats', '1', '--wait', '--json', '--api-key-stdin'],
      'sk-secret-1\n',
    );
    assert.equal(result.code, 0, result.stderr);
    assert.match(result.stderr, /seat +1 +starting\nseat +1 +ready/);
    assert.equal((JSON.parse(result.stdout) as WorkshopDetails).phase, 'ready');
    const made = requests.find((request) => request.method === 'POST');
    assert.deepEqual(JSON.parse(made?.body ?? ''), {
      name: 'Basics',
      seats: 1,
      apiKey: 'sk-secret-1',
      start: true,
    });
  });

  it('ends with 1 and the reason when a seat cannot be had', async () => {
    outcome = { phase: 'failed', seat: 'failed', reason: 'The engine has no room.' };
    const result = await cli(['create', 'Basics', '--seats', '1', '--wait']);
    assert.equal(result.code, 1);
    assert.match(
      result.stderr,
      /0 of 1 seats are ready; the workshop is failed\.\n {2}The engine has no room\./,
    );
  });

  it("says the server's own words about a workshop that is not there", async () => {
    const result = await cli(['show', 'ws-zzzzzzzz']);
    assert.equal(result.code, 1);
    assert.match(result.stderr, /There is no such workshop\./);
  });

  it('says how to get a token when there is none or a wrong one', async () => {
    const none = await runCli(['workshop', 'list', '--url', url]);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /This needs an API token\. Make one with `clarateach token create NAME`/);
    const wrong = await runCli(['workshop', 'list', '--url', url, '--token', 'ctk_wrong']);
    assert.match(wrong.stderr, /does not accept this API token/);
  });
});
