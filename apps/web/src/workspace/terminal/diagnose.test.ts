import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, test } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import { seatBase } from '../seat-address.ts';
import { SeatPass } from '../seat-pass.ts';
import { diagnose } from './diagnose.ts';

/** A port at which nothing answers this browser. */
const WORKER = 'http://127.0.0.1:1/debug/proxy/ws-abcd1234';

let server: ReturnType<typeof createServer>;
let page: URL;
/** What the server's own gateway answers, and what it was asked for. */
let status: number;
const asked: string[] = [];

beforeEach(async () => {
  status = 200;
  asked.length = 0;
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  page = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/w/ws-abcd1234`);
  Object.assign(globalThis, { window: { location: page } });
});
afterEach(async () => {
  Reflect.deleteProperty(globalThis, 'window');
  if (!server.listening) return;
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

function passAt(endpoint: string, renewedTo = endpoint): SeatPass {
  const session = (at: string) =>
    ({
      token: 'token',
      endpoint: at,
      seat: 3,
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
      workshop: { id: 'ws-abcd1234', name: 'Class' },
    }) as unknown as SeatSession;
  return new SeatPass({
    saved: { code: 'CODE', session: session(endpoint) },
    renew: async () => session(renewedTo),
    join: () => assert.fail('nobody has to join again'),
    save: () => {},
    now: Date.now,
  });
}

const lost = () => assert.fail('the seat is not lost');
const whereTo = (pass: SeatPass) => seatBase(pass.session, page.href);

test('a browser that does not reach a worker goes through the server, also with later tokens', async () => {
  const pass = passAt(WORKER);
  assert.equal(await diagnose(pass, 'failed', lost), 'retry');
  const own = `${page.origin}/debug/proxy/ws-abcd1234/vm/3`;
  assert.equal(whereTo(pass), own);
  assert.equal(seatBase(await pass.renew(), page.href), own);
  assert.deepEqual(asked, ['/debug/proxy/ws-abcd1234/vm/3/files?path=']);

  // When the server is away, the worker itself is tried again.
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  assert.equal(await diagnose(pass, 'failed', lost), 'retry');
  assert.equal(whereTo(pass), `${WORKER}/vm/3`);
});

test('a worker that the server does not reach either is waited for', async () => {
  status = 503;
  const pass = passAt(WORKER);
  assert.equal(await diagnose(pass, 'failed', lost), 'retry');
  assert.equal(whereTo(pass), `${WORKER}/vm/3`);
});

test('a seat that has moved is looked for where it is now', async () => {
  const elsewhere = 'http://127.0.0.1:2/debug/proxy/ws-abcd1234';
  const pass = passAt(WORKER, elsewhere);
  assert.equal(await diagnose(pass, 'failed', lost), 'retry');
  assert.equal(whereTo(pass), `${elsewhere}/vm/3`);
  assert.deepEqual(asked, []);
});
