import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { ask, bearer, LEARNER, makeToken, mount, PUBLIC_KEY, SEAT_PATH, until, WORKSHOP } from './testing.ts';
import { standInSeat } from './testing-seat.ts';

describe('a key that goes', () => {
  it('takes its WebSockets, requests under way, remembered tokens and previews with it, and leaves those of another key', async () => {
    const next = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const known = new Map<string, KeyObject>([
      ['k1', PUBLIC_KEY],
      ['k2', next.publicKey],
    ]);
    const listeners = new Set<() => void>();
    await using stage = new AsyncDisposableStack();
    const seat = stage.adopt(await standInSeat(), (each) => each.close());
    const mounted = stage.adopt(
      await mount({
        keys: {
          find: (kid) => known.get(kid),
          onGone(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
          },
        },
      }),
      async (each) => {
        await each.close();
        await until('the seat has no connection left', () => seat.sockets() === 0);
      },
    );
    const { routes, port } = mounted;
    routes.put({ endpoint: seat.endpoint, holder: LEARNER });
    const old = makeToken();
    const fresh = makeToken({}, { kid: 'k2' }, next.privateKey);
    const files = async (token: string) =>
      (await ask(port, `${SEAT_PATH}/files?path=.`, { headers: bearer(token) })).status;
    const open = async (token: string) => {
      const socket = stage.adopt(
        new WebSocket(`ws://127.0.0.1:${port}${SEAT_PATH}/terminal`, [
          'clarateach.terminal.v1',
          `bearer.${token}`,
        ]),
        (each) => each.terminate(),
      );
      const link = { socket, closed: undefined as number | undefined };
      socket.once('close', (code) => {
        link.closed = code;
      });
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      return link;
    };
    const ticketOf = async () => {
      const body = '{"port":5173}';
      const answer = await ask(port, `${SEAT_PATH}/preview`, { method: 'POST', headers: bearer(old), body });
      return new URL(JSON.parse(answer.body).url);
    };
    const visit = (url: URL, headers = {}) =>
      ask(port, url.pathname + url.search, { headers: { host: url.host, accept: 'text/html', ...headers } });

    assert.deepEqual([await files(old), await files(fresh)], [200, 200]);
    const [mallory, ada] = [await open(old), await open(fresh)];
    const taken = await ticketOf();
    const cookie = ((await visit(taken)).headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';
    assert.notEqual(cookie, '');
    const ticket = await ticketOf();

    // Admitted while the key was there, looked after when it is gone: no link was there yet to end.
    let answerRoute = () => {};
    routes.onRefresh = () =>
      new Promise((resolve) => {
        answerRoute = () =>
          resolve({ id: { workshop: WORKSHOP, seat: 1 }, endpoint: seat.endpoint, holder: LEARNER });
      });
    const find = routes.find;
    routes.find = () => undefined;
    const waiting = files(old);
    await until('the route is asked for', () => routes.refreshed.length > 0);
    routes.find = find;

    known.delete('k1');
    for (const listener of listeners) listener();
    answerRoute();
    assert.equal(await waiting, 401);
    await until('the terminal is closed', () => mallory.closed !== undefined);
    assert.equal(mallory.closed, 4401);
    assert.deepEqual([await files(old), await files(fresh)], [401, 200]);
    for (const answer of [await visit(ticket), await visit(new URL('/', taken), { cookie })]) {
      assert.deepEqual([answer.status, /This preview is closed/.test(answer.body)], [401, true]);
    }
    assert.equal(ada.socket.readyState, WebSocket.OPEN);
  });
});
