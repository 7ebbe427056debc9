import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type WorkshopDetails, type WorkshopEvent, workshopEvent } from '@clarateach/contract/workshop';
import { slowProvider } from '@clarateach/seats/providers/doubles';
import { eventually } from '../testing/control-plane.ts';
import { type TestClient, type TestServer, testServer } from '../testing/server.ts';

interface Message {
  readonly id: string;
  readonly event: WorkshopEvent;
}

/** Reads a stream as the HTML standard tells browsers to, and fails on anything they would not understand. */
async function follow(client: TestClient, path: string, lastEventId?: string) {
  const abort = new AbortController();
  const response = await fetch(new URL(path, client.headers.base), {
    headers: { ...client.headers, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) },
    signal: abort.signal,
  });
  const messages: Message[] = [];
  const comments: string[] = [];
  const ended = (async () => {
    let text = '';
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const fields = new Map<string, string>();
        for (const line of block.split('\n').filter((each) => each !== '')) {
          const [, name = '', value = ''] = /^([a-z]*): ?(.*)$/.exec(line) ?? assert.fail(`a line: ${line}`);
          if (name === '') comments.push(value);
          else fields.set(name, value);
        }
        if (fields.size === 0) continue;
        assert.equal(fields.get('event') ?? 'message', 'message');
        const data = fields.get('data') ?? assert.fail(`no data in: ${block}`);
        messages.push({ id: fields.get('id') ?? '', event: workshopEvent.parse(JSON.parse(data)) });
      }
    }
  })().catch((error) => {
    if (!abort.signal.aborted) throw error;
  });
  return { response, messages, comments, ended, end: () => abort.abort() };
}

describe('the events of a workshop', () => {
  let server: TestServer;
  let admin: TestClient;
  let workshop: WorkshopDetails;
  before(async () => {
    server = await testServer({
      overrides: { providers: new Map([['local', slowProvider({ startMs: 100 })]]) },
    });
    const { headers, ...rest } = await server.signedIn(server.signInUrl ?? '');
    admin = { ...rest, headers: { ...headers, base: `http://127.0.0.1:${server.port}` } };
    workshop = await admin.json(201, 'POST', '/api/workshops', { name: 'a', seats: 3 });
  });
  after(() => server.close());
  const path = () => `/api/workshops/${workshop.id}/events`;

  it('are a text/event-stream that tells of each seat until all are ready', async () => {
    const stream = await follow(admin, path());
    assert.equal(stream.response.status, 200);
    assert.match(stream.response.headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.equal(stream.response.headers.get('cache-control'), 'no-store');
    await admin.json(202, 'POST', `/api/workshops/${workshop.id}/start`);
    await eventually(() =>
      stream.messages.some(({ event }) => event.type === 'workshop' && event.workshop.phase === 'ready'),
    );
    assert.ok(stream.comments.length > 0);
    const ready = stream.messages.flatMap(({ event }) =>
      event.type === 'seat' && event.seat.phase === 'ready' ? [event.seat.seat] : [],
    );
    assert.equal(new Set(ready).size, 3);
    assert.ok(stream.messages.every(({ id }) => /^\d+$/.test(id)));
    stream.end();
    await stream.ended;
  });

  it('go on where a client has broken off', async () => {
    const first = await follow(admin, path());
    await eventually(() => first.messages.some(({ event }) => event.type === 'workshop'));
    const last = first.messages.at(-1)?.id ?? '';
    first.end();
    await first.ended;
    const second = await follow(admin, path(), last);
    await eventually(() => second.comments.length > 0);
    assert.equal(second.messages.length, 0);
    await server.anyone.json(200, 'POST', '/api/join', { code: workshop.code, name: 'Ann' });
    await eventually(() => second.messages.some(({ event }) => event.type === 'workshop'));
    const seats = second.messages.flatMap(({ event }) => (event.type === 'seat' ? [event.seat] : []));
    assert.ok(seats.some((seat) => seat.learner?.name === 'Ann' && seat.phase === 'occupied'));
    assert.ok(second.messages.every(({ id }) => Number(id) >= Number(last)));
    second.end();
    await second.ended;
    const strange = await follow(admin, path(), 'made up');
    await eventually(() => strange.messages.some(({ event }) => event.type === 'workshop'));
    strange.end();
    await strange.ended;
  });

  it('refuse before the stream begins', async () => {
    const stream = await follow(admin, '/api/workshops/ws-00000000/events');
    assert.equal(stream.response.status, 404);
    assert.match(stream.response.headers.get('content-type') ?? '', /json/);
    stream.end();
    await stream.ended;
  });

  it('end when the workshop is gone, and when the server ends', async () => {
    const doomed = await admin.json<WorkshopDetails>(201, 'POST', '/api/workshops', { name: 'b', seats: 1 });
    const stream = await follow(admin, `/api/workshops/${doomed.id}/events`);
    await admin.json(202, 'DELETE', `/api/workshops/${doomed.id}`);
    await stream.ended;
    assert.equal(stream.messages.at(-1)?.event.type, 'deleted');
    const open = await follow(admin, path());
    await eventually(() => open.messages.length > 0);
    await server.close();
    // Ended, and not broken off: a stream that the server has had to wait for fails here.
    await open.ended;
  });
});
