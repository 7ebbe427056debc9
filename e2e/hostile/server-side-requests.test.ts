import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { listen } from '@clarateach/gateway/testing';
import { assertAllRefused, holesIn, type Outcome } from './outcome.ts';
import { type HostileRoom, hostileRoom } from './room.ts';
import { bearer, say } from './wire.ts';

/** Anything but a port of the learner's own. */
const NO_PORTS: readonly unknown[] = [
  3001,
  3002,
  3003,
  0,
  -1,
  65_536,
  1.5,
  1e9,
  '5173',
  '169.254.169.254:80',
  'http://169.254.169.254/',
  [5173],
  { port: 5173 },
  null,
  true,
];
const NO_LABELS: readonly string[] = [
  '3001--1',
  '3002--1',
  '05173--1',
  '5173--01',
  '5173--0',
  '5173--501',
  '99999--1',
  '0--1',
  '169-254-169-254--1',
  '5173--1--1',
];
const NO_IMAGES: readonly string[] = [
  'http://169.254.169.254/latest/meta-data/',
  'file:///etc/passwd',
  '-v/:/host',
  '--privileged',
  'image --privileged',
  'image;id',
  'image\n--privileged',
  '$(id)',
  '`id`',
  '../../etc',
  '//evil',
  '',
];

/** Asks for previews of what is not the learner's. `host` is the name that previews live below. */
async function reachOut(
  base: string,
  seat: { readonly path: string; readonly token: string; readonly workshop: string; readonly host: string },
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const json = { ...bearer(seat.token), 'content-type': 'application/json' };
  for (const port of NO_PORTS) {
    const { status } = await say(base, `${seat.path}/preview`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ port }),
    });
    outcomes.push({ attack: `preview of ${JSON.stringify(port)}`, status });
  }
  for (const label of NO_LABELS) {
    const host = `${label}--${seat.workshop}.${seat.host}`;
    const { status } = await say(base, '/', { headers: { host, accept: 'application/json' } });
    outcomes.push({ attack: `origin ${label}`, status });
  }
  return outcomes;
}

describe('requests that the server makes for others, in a hostile room', () => {
  let room: HostileRoom;
  const target = () => ({
    path: `${new URL(room.ada.endpoint).pathname}/vm/${room.ada.seat}`,
    token: room.ada.token,
    workshop: room.workshop.id,
    host: new URL(room.server.url).host,
  });
  before(async () => {
    room = await hostileRoom({ seats: 'local' });
  });
  after(() => room[Symbol.asyncDispose]());

  it('go to ports of the own seat alone, never to an address', async () => {
    assertAllRefused(await reachOut(room.base, target()), NO_PORTS.length + NO_LABELS.length);
  });

  it('go to nowhere for the tunnels and ports that are between gateway and seat', async () => {
    const headers = bearer(room.ada.token);
    const { path } = target();
    const outcomes: Outcome[] = [];
    for (const inner of [
      '/tunnel/22',
      '/files/../tunnel/22',
      '/files/%2e%2e/tunnel/22',
      '/files//tunnel/22',
      '/terminal/../../tunnel/22',
      '/files/tunnel/22',
    ]) {
      for (const upgrade of [{}, { connection: 'Upgrade', upgrade: 'tcp' }] as Record<string, string>[]) {
        const { status } = await say(room.base, `${path}${inner}`, { headers: { ...headers, ...upgrade } });
        outcomes.push({ attack: `${inner} ${JSON.stringify(upgrade)}`, status });
      }
    }
    assertAllRefused(outcomes, 12);
  });

  it('are never caused by the name of an image: it is checked, and no image is fetched', async () => {
    let asked = 0;
    const registry = createServer((_request, response) => {
      asked++;
      response.writeHead(404).end();
    });
    const port = await listen(registry);
    registry.unref();
    const outcomes: Outcome[] = [];
    for (const image of NO_IMAGES) {
      const body = { name: 'Images', seats: 1, image };
      const { status } = await room.ben.program.request('POST', '/api/workshops', body);
      outcomes.push({ attack: `image ${JSON.stringify(image)}`, status });
    }
    assertAllRefused(outcomes, NO_IMAGES.length);
    const made = await room.ben.program.json<{ id: string }>(202, 'POST', '/api/workshops', {
      name: 'Images',
      seats: 1,
      image: `127.0.0.1:${port}/evil:latest`,
      start: true,
    });
    await room.ben.program.json(202, 'DELETE', `/api/workshops/${made.id}`);
    registry.close();
    assert.equal(asked, 0);
  });

  it('the check notices a server that previews whatever it is told', async () => {
    const holed = createServer((request, response) =>
      request.resume().on('end', () => response.end('{"url":"…"}')),
    );
    const port = await listen(holed);
    const found = holesIn(await reachOut(`http://127.0.0.1:${port}`, { ...target(), path: '' }));
    holed.close();
    assert.equal(found.length, NO_PORTS.length + NO_LABELS.length);
  });
});
