import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import { FILES_PROTOCOL, TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import { LEARNER, makeToken, mount, SEAT_PATH } from '@clarateach/gateway/testing';
import { standInSeat } from '@clarateach/gateway/testing-seat';
import { assertAllRefused, holesIn, type Outcome } from './outcome.ts';
import { type HostileRoom, hostileRoom } from './room.ts';
import { bearer, say, upgrade } from './wire.ts';

const seatPath = ({ endpoint, seat }: SeatSession) => `${new URL(endpoint).pathname}/vm/${seat}`;

/** Pages that have no business with a seat. `own` is the origin that has. */
const foreignOrigins = (own: string): string[] => [
  'https://evil.example',
  'null',
  'file://',
  own.replace('http:', 'https:'),
  `${own}.evil.example`,
  `${own}@evil.example`,
  own.replace(/:(\d+)$/, ':1'),
  own.replace('localhost', 'localhost.evil.example'),
  own.replace('//', '//3000--1--ws-aaaaaaaa.'),
];

/** A page of each origin opens WebSockets and asks, with everything a victim's browser would add. */
async function hijack(
  base: string,
  path: string,
  options: { readonly token: string; readonly origins: readonly string[]; readonly cookie?: string },
): Promise<Outcome[]> {
  const cookie: Record<string, string> = options.cookie === undefined ? {} : { cookie: options.cookie };
  const outcomes: Outcome[] = [];
  for (const origin of options.origins) {
    const from = { origin, ...cookie };
    const tried: readonly (readonly [string, Promise<{ status: number }>])[] = [
      [
        'terminal',
        upgrade(base, `${path}/terminal`, {
          ...from,
          'sec-websocket-protocol': `${TERMINAL_PROTOCOL}, bearer.${options.token}`,
        }),
      ],
      [
        'terminal without a token',
        upgrade(base, `${path}/terminal`, { ...from, 'sec-websocket-protocol': TERMINAL_PROTOCOL }),
      ],
      [
        'watch',
        upgrade(base, `${path}/files/watch`, {
          ...from,
          'sec-websocket-protocol': `${FILES_PROTOCOL}, bearer.${options.token}`,
        }),
      ],
      ['files', say(base, `${path}/files?path=`, { headers: { ...from, ...bearer(options.token) } })],
      [
        'preview',
        say(base, `${path}/preview`, {
          method: 'POST',
          headers: { ...from, ...bearer(options.token) },
          body: '{"port":5173}',
        }),
      ],
    ];
    for (const [what, answer] of tried)
      outcomes.push({ attack: `${what} from ${origin}`, status: (await answer).status });
  }
  return outcomes;
}

describe('pages of other sites in a hostile room', () => {
  let room: HostileRoom;
  before(async () => {
    room = await hostileRoom({ seats: 'local' });
  });
  after(() => room[Symbol.asyncDispose]());

  it('open no WebSocket and read no file, whatever token and cookie they come with', async () => {
    const own = room.server.url;
    const outcomes = await hijack(room.base, seatPath(room.ada), {
      token: room.ada.token,
      origins: foreignOrigins(own),
      cookie: String(room.ben.browser.headers.cookie),
    });
    assertAllRefused(outcomes, 40);
    const mine = await upgrade(room.base, `${seatPath(room.ada)}/terminal`, {
      origin: own,
      'sec-websocket-protocol': `${TERMINAL_PROTOCOL}, bearer.${room.ada.token}`,
    });
    assert.equal(mine.status, 101);
  });

  it('get no permission from CORS: not for the API, not for seats, not in a preflight', async () => {
    const found: string[] = [];
    for (const origin of foreignOrigins(room.server.url)) {
      for (const [method, path] of [
        ['GET', '/api/account'],
        ['OPTIONS', '/api/workshops'],
        ['OPTIONS', `${seatPath(room.ada)}/files`],
        ['GET', `${seatPath(room.ada)}/files?path=`],
        ['GET', '/'],
      ] as const) {
        const headers = { origin, 'access-control-request-method': 'PUT', ...bearer(room.ada.token) };
        const answer = await say(room.base, path, { method, headers });
        const allowed = answer.headers['access-control-allow-origin'];
        if (allowed !== undefined) found.push(`${method} ${path} from ${origin}: ${allowed}`);
      }
    }
    assert.deepEqual(found, []);
  });

  it("do not use a preview's cookie from outside, and one preview's cookie opens no other", async () => {
    const granted = await say(room.base, `${seatPath(room.ada)}/preview`, {
      method: 'POST',
      headers: { ...bearer(room.ada.token), 'content-type': 'application/json' },
      body: '{"port":5173}',
    });
    const { url } = JSON.parse(granted.body) as { url: string };
    const { host, pathname, search } = new URL(url);
    const opened = await say(room.base, pathname + search, { headers: { host } });
    assert.equal(opened.status, 302);
    const [cookie = ''] = String(opened.headers['set-cookie']).split(';');
    assert.match(String(opened.headers['set-cookie']), /HttpOnly/i);
    const again = await say(room.base, pathname + search, { headers: { host } });
    const other = host.replace('5173--', '5174--');
    const neighbour = host.replace('--1--', '--2--');
    const outcomes: Outcome[] = [
      { attack: 'a ticket used twice', status: again.status },
      {
        attack: 'the cookie at another port',
        status: (await say(room.base, '/', { headers: { host: other, cookie } })).status,
      },
      {
        attack: "the cookie at a neighbour's preview",
        status: (await say(room.base, '/', { headers: { host: neighbour, cookie } })).status,
      },
      {
        attack: 'the cookie at the files',
        status: (await say(room.base, `${seatPath(room.ada)}/files?path=`, { headers: { cookie } })).status,
      },
      {
        attack: 'the cookie at the API',
        status: (await say(room.base, '/api/account', { headers: { cookie } })).status,
      },
      ...(await Promise.all(
        ['https://evil.example', 'null', `http://${neighbour}`].map(async (origin) => ({
          attack: `hot reload from ${origin}`,
          status: (await upgrade(room.base, '/', { host, cookie, origin })).status,
        })),
      )),
    ];
    assertAllRefused(outcomes, 8);
  });

  it('the check notices a gateway that takes every origin', async () => {
    const seat = await standInSeat();
    const holed = await mount({ allowedOrigins: () => true });
    holed.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
    const outcomes = await hijack(`http://127.0.0.1:${holed.port}`, SEAT_PATH, {
      token: makeToken(),
      origins: foreignOrigins('http://localhost:8080'),
    });
    await holed.close();
    await seat.close();
    const holes = holesIn(outcomes);
    for (const what of [
      'terminal from null: 101',
      'watch from https://evil.example: 101',
      'files from null: 200',
    ]) {
      assert.ok(holes.includes(what), what);
    }
  });
});
