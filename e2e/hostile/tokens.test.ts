import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import { TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import { listen, makeToken, mount } from '@clarateach/gateway/testing';
import { type Forgery, forgeries, forgersKey } from './forged-tokens.ts';
import { assertAllRefused, holesIn, type Outcome } from './outcome.ts';
import { type HostileRoom, hostileRoom } from './room.ts';
import { bearer, say, upgrade } from './wire.ts';

/** Each token at everything that takes one. */
async function tryTokens(
  base: string,
  paths: { readonly seat: string; readonly renew: string | undefined },
  tokens: readonly Forgery[],
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { trick, token } of tokens) {
    const headers = bearer(token);
    const at = async (where: string, asked: Promise<{ status: number }>) =>
      outcomes.push({ attack: `${trick}, at ${where}`, status: (await asked).status });
    await at('files', say(base, `${paths.seat}/files?path=`, { headers }));
    await at('terminal', upgrade(base, `${paths.seat}/terminal`, headers));
    await at(
      'preview',
      say(base, `${paths.seat}/preview`, { method: 'POST', headers, body: '{"port":5173}' }),
    );
    if (/^[\w.-]*$/.test(token)) {
      const protocols = `${TERMINAL_PROTOCOL}, bearer.${token}`;
      await at(
        'terminal protocol',
        upgrade(base, `${paths.seat}/terminal`, { 'sec-websocket-protocol': protocols }),
      );
    }
    if (paths.renew === undefined) continue;
    const body = JSON.stringify({ token });
    const json = { 'content-type': 'application/json' };
    await at('renewal', say(base, paths.renew, { method: 'POST', headers: json, body }));
    await at('renewal by header', say(base, paths.renew, { method: 'POST', headers }));
  }
  return outcomes;
}

const pathOf = ({ endpoint, seat }: SeatSession) => `${new URL(endpoint).pathname}/vm/${seat}`;

describe('seat tokens in a hostile room', () => {
  let room: HostileRoom;
  let forged: Forgery[];
  before(async () => {
    room = await hostileRoom({ seats: 'local' });
    const jwks = await room.server.anyone.json<Parameters<typeof forgeries>[2]>(
      200,
      'GET',
      '/.well-known/jwks.json',
    );
    forged = forgeries(room.ada.token, room.eve.token, jwks);
  });
  after(() => room[Symbol.asyncDispose]());

  it('a genuine one opens its seat, so that what follows means something', async () => {
    const { status } = await say(room.base, `${pathOf(room.ada)}/files?path=`, {
      headers: bearer(room.ada.token),
    });
    assert.equal(status, 200);
  });

  it('forged and confused ones open nothing', async () => {
    const paths = { seat: pathOf(room.ada), renew: '/api/session/renew' };
    assertAllRefused(await tryTokens(room.base, paths, forged), 300);
  });

  it('genuine ones of others open nothing here, wherever they are replayed', async () => {
    const { ada, eve, mia } = room;
    const tokens = [
      { trick: "a neighbour's token", token: eve.token },
      { trick: "another workshop's token", token: mia.token },
      { trick: "an instructor's API token", token: room.ben.token },
      { trick: "the admin's API token", token: room.admin.token },
    ];
    assertAllRefused(await tryTokens(room.base, { seat: pathOf(ada), renew: undefined }, tokens), 12);
  });

  it('a seat token is no account, and no API token renews a seat', async () => {
    const outcomes: Outcome[] = [];
    for (const path of ['/api/account', '/api/workshops', '/api/tokens', '/api/admin/overview']) {
      const { status } = await say(room.base, path, { headers: bearer(room.ada.token) });
      outcomes.push({ attack: `seat token at ${path}`, status });
    }
    for (const { token } of [room.ben, room.admin]) {
      const { status } = await say(room.base, '/api/session/renew', {
        method: 'POST',
        headers: bearer(token),
      });
      outcomes.push({ attack: 'API token at renewal', status });
    }
    assertAllRefused(outcomes, 6);
  });

  it('a token anywhere but in its header or protocol is none', async () => {
    const { token } = room.ada;
    const files = `${pathOf(room.ada)}/files`;
    const places = ['token', 'access_token', 'jwt', 'ticket', 'bearer'];
    const outcomes = await Promise.all([
      ...places.map(async (name) => ({
        attack: `query ${name}`,
        status: (await say(room.base, `${files}?path=&${name}=${token}`)).status,
      })),
      ...places.map(async (name) => ({
        attack: `cookie ${name}`,
        status: (await say(room.base, `${files}?path=`, { headers: { cookie: `${name}=${token}` } })).status,
      })),
      ...['Basic', 'Token', 'JWT', 'Digest'].map(async (scheme) => ({
        attack: scheme,
        status: (await say(room.base, `${files}?path=`, { headers: { authorization: `${scheme} ${token}` } }))
          .status,
      })),
      (async () => {
        const protocols = `bearer.${token}, bearer.${token}x, ${TERMINAL_PROTOCOL}`;
        const { status } = await upgrade(room.base, `${pathOf(room.ada)}/terminal`, {
          'sec-websocket-protocol': protocols,
        });
        return { attack: 'two tokens at once', status };
      })(),
    ]);
    assertAllRefused(outcomes, 15);
  });

  it('the check notices a gateway that reads tokens and verifies nothing', async () => {
    const server = createServer((request, response) => {
      const claims = /\.([\w-]+)\./.exec(request.headers.authorization ?? '')?.[1] ?? '';
      const known = Buffer.from(claims, 'base64url').toString().includes('"seat"');
      response.writeHead(known ? 200 : 401).end();
    });
    const port = await listen(server);
    const holes = holesIn(
      await tryTokens(`http://127.0.0.1:${port}`, { seat: '', renew: undefined }, forged),
    );
    server.close();
    for (const trick of [
      'alg "none", no signature, at files',
      'another seat under the old signature, at files',
    ]) {
      assert.ok(
        holes.some((hole) => hole.startsWith(trick)),
        trick,
      );
    }
  });

  it("the check notices the gateway itself, once it trusts a forger's key", async () => {
    const holed = await mount({ keys: { find: () => forgersKey } });
    const genuine = makeToken();
    holed.routes.put({ endpoint: { kind: 'tcp', host: '127.0.0.1' }, holder: 'LEARNERA' as never });
    const jwks = { keys: [forgersKey.export({ format: 'jwk' })] };
    const tokens = forgeries(genuine, makeToken({ seat: 2 }), jwks);
    const seat = '/debug/proxy/ws-abcd2345/vm/1';
    const holes = holesIn(
      await tryTokens(`http://127.0.0.1:${holed.port}`, { seat, renew: undefined }, tokens),
    );
    await holed.close();
    assert.ok(
      holes.some((hole) => hole.startsWith('our key, the right kid')),
      holes.join('\n'),
    );
    assert.ok(
      holes.every((hole) => !hole.startsWith('alg ')),
      'it verifies all the same',
    );
  });
});
