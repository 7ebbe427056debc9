import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { createRevocationList } from './revocation-list.ts';
import { ask, bearer, LEARNER, makeToken, mount, SEAT_PATH, STRANGER, until, WORKSHOP } from './testing.ts';
import { standInSeat } from './testing-seat.ts';

const HOUR_MS = 60 * 60 * 1000;

describe('a list of revocations', () => {
  it('keeps the latest word on each learner, and lets go of it at its end', () => {
    let now = 1_000;
    const list = createRevocationList({ clock: () => now });
    const entry = { workshopId: WORKSHOP, odehash: LEARNER, before: 10, expiresAt: 2_000 };
    assert.equal(list.notBefore(WORKSHOP, LEARNER), 0);
    const empty = list.digest();
    assert.equal(list.add([entry]), true);
    const digest = list.digest();
    assert.notEqual(digest, empty);
    assert.equal(list.add([{ ...entry, before: 5 }]), false);
    assert.equal(list.notBefore(WORKSHOP, LEARNER), 10);
    assert.equal(list.notBefore(WORKSHOP, STRANGER), 0);
    const other = createRevocationList({ clock: () => now });
    other.add(list.entries());
    assert.equal(other.digest(), digest);
    now = 2_000;
    assert.deepEqual([list.entries(), list.digest()], [[], empty]);
    assert.equal(list.add([entry]), false);
  });

  it('in a gateway ends open connections with 4403 and refuses their tokens, also remembered ones, but not later ones', async () => {
    const revocations = createRevocationList({ clock: Date.now });
    const seat = await standInSeat();
    const mounted = await mount({ revocations });
    let socket: WebSocket | undefined;
    try {
      mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
      const token = makeToken();
      const files = (each: string) =>
        ask(mounted.port, `${SEAT_PATH}/files?path=.`, { headers: bearer(each) });
      assert.equal((await files(token)).status, 200);
      const preview = await ask(mounted.port, `${SEAT_PATH}/preview`, {
        method: 'POST',
        headers: bearer(token),
        body: '{"port":5173}',
      });
      const ticket = new URL(JSON.parse(preview.body).url);

      const terminal = new WebSocket(`ws://127.0.0.1:${mounted.port}${SEAT_PATH}/terminal`, [
        'clarateach.terminal.v1',
        `bearer.${token}`,
      ]);
      socket = terminal;
      await new Promise((resolve, reject) => terminal.once('open', resolve).once('error', reject));
      let closed: number | undefined;
      terminal.once('close', (code) => {
        closed = code;
      });

      const before = Math.floor(Date.now() / 1000) + 1;
      revocations.add([{ workshopId: WORKSHOP, odehash: LEARNER, before, expiresAt: Date.now() + HOUR_MS }]);
      await until('the terminal is closed', () => closed !== undefined, 2_000);
      assert.equal(closed, 4403);
      const refused = await files(token);
      assert.deepEqual([refused.status, JSON.parse(refused.body).error.code], [403, 'removed']);
      const opened = await ask(mounted.port, ticket.pathname + ticket.search, {
        headers: { host: ticket.host, accept: 'text/html' },
      });
      assert.equal(opened.status, 403);
      assert.match(opened.body, /You no longer hold this seat/);

      // Somebody who was let back in has a token that says a later second.
      assert.equal((await files(makeToken({ iat: before }))).status, 200);
    } finally {
      socket?.terminate();
      await mounted.close();
      await until('the seat has no connection left', () => seat.sockets() === 0);
      await seat.close();
    }
  });
});
