import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import type { SeatSession } from '@clarateach/contract/join';
import { eachDatabase } from '../store/testing.ts';
import {
  type ControlPlane,
  eventually,
  insertOwner,
  openStage,
  type Stage,
} from '../testing/control-plane.ts';
import { TEST_SECRET, type TestServer, testServer } from '../testing/server.ts';
import { openRevocations } from './revocations.ts';

const refused = (code: string) => (error: unknown) => error instanceof PublicError && error.code === code;

eachDatabase('a removed learner', (open, kind) => {
  let stage: Stage;
  let plane: ControlPlane;
  let owner: string;

  before(async () => {
    stage = await openStage(open);
    ({ plane, owner } = stage);
  });
  after(() => stage.close());

  const workshop = async (seats: number) => {
    const { id, code } = await plane.workshops.create(owner, { name: 'Shells', seats, start: true });
    await plane.workshops.settled(owner, id, AbortSignal.timeout(5_000));
    return { id, code };
  };

  test('is refused on join and on renewal, and the seat is reset and free for the next', async () => {
    const { id, code } = await workshop(1);
    const { odehash } = await plane.join.join({ code, name: 'Mallory' });
    const after = await plane.workshops.removeLearner(owner, id, 1);
    assert.equal(after.seats[0]?.learner, null);
    assert.equal(after.seats[0]?.phase, 'resetting');
    await assert.rejects(plane.join.claimOf(id, odehash), refused('removed'));
    await assert.rejects(plane.join.join({ code, name: 'Mallory', odehash }), refused('removed'));
    await eventually(async () => (await plane.join.info(code)).state === 'open');
    await assert.rejects(plane.join.join({ code, name: 'Another name', odehash }), refused('removed'));
    const ada = await plane.join.join({ code, name: 'Ada' });
    assert.deepEqual([ada.seat, ada.returning], [1, false]);
  });

  test('keeps nobody else out who joins in the same moment', async () => {
    const { id, code } = await workshop(3);
    const { odehash } = await plane.join.join({ code, name: 'Mallory' });
    await plane.workshops.removeLearner(owner, id, 1);
    const results = await Promise.allSettled([
      plane.join.join({ code, name: 'Mallory', odehash }),
      plane.join.join({ code, name: 'Ada' }),
      plane.join.join({ code, name: 'Bob' }),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'fulfilled', 'fulfilled'],
    );
  });

  test('is listed for the instructor, may be let back, and joins again by the same code', async () => {
    const { id, code } = await workshop(1);
    const { odehash } = await plane.join.join({ code, name: 'Mallory' });
    await plane.workshops.removeLearner(owner, id, 1);
    const [removal] = await plane.workshops.removals(owner, id);
    assert.deepEqual([removal?.name, removal?.seat], ['Mallory', 1]);
    assert.doesNotMatch(JSON.stringify(removal), new RegExp(odehash));
    await plane.workshops.letBack(owner, id, removal?.id ?? '');
    assert.deepEqual(await plane.workshops.removals(owner, id), []);
    await assert.rejects(plane.workshops.letBack(owner, id, removal?.id ?? ''), refused('not_found'));
    await eventually(async () => (await plane.join.info(code)).state === 'open');
    assert.equal((await plane.join.join({ code, name: 'Mallory', odehash })).odehash, odehash);
  });

  test('is only whoever sits there, and only for the workshop’s own instructor', async () => {
    const { id, code } = await workshop(2);
    await plane.join.join({ code, name: 'Ada' });
    const stranger = await insertOwner(stage.opened.database, `stranger of ${id}`);
    await assert.rejects(plane.workshops.removeLearner(owner, id, 2), refused('conflict'));
    await assert.rejects(plane.workshops.removeLearner(stranger, id, 1), refused('not_found'));
    await assert.rejects(plane.workshops.removals(stranger, id), refused('not_found'));
    await assert.rejects(plane.workshops.letBack(stranger, id, 'x'), refused('not_found'));
    assert.equal((await plane.workshops.show(owner, id)).occupiedSeats, 1);
  });

  test('is known to another server by polling alone, over a restart, and not for ever', async (t) => {
    let now = Date.now();
    const other = await openRevocations({
      database: kind === 'sqlite' ? stage.opened.database : stage.opened.again(),
      now: () => now,
      onError: (error) => assert.fail(String(error)),
    });
    const { id, code } = await workshop(1);
    const { odehash } = await plane.join.join({ code, name: 'Mallory' });
    await plane.workshops.removeLearner(owner, id, 1);
    const removedAt = Date.now();
    await eventually(() => other.list.notBefore(id, odehash) > 0);
    const lag = Date.now() - removedAt;
    t.diagnostic(`lag by polling: ${lag} ms`);
    await other.close();
    const restarted = await openRevocations({
      database: stage.opened.database,
      now: () => now,
      onError: (error) => assert.fail(String(error)),
    });
    assert.ok(restarted.list.notBefore(id, odehash) > now / 1000 - 10);
    // Two hours of use and a day of renewal later, no such token is good any more.
    now += 27 * 60 * 60 * 1000;
    assert.deepEqual(restarted.list.entries(), []);
    await restarted.close();
  });

  if (kind === 'postgresql') {
    test('is refused by another server’s gateway and API', async (t) => {
      const { url } = stage.opened.config as { url: string };
      await using room = await twoServers(url);
      const [one, two] = room.servers;
      const { id, code } = await one.createWorkshop(room.instructor, { seats: 1 });
      const learner = await one.anyone.json<SeatSession>(200, 'POST', '/api/join', { code, name: 'Mallory' });
      const bearer = { authorization: `Bearer ${learner.token}` };
      const files = `/debug/proxy/${id}/vm/1/files?path=.`;
      await eventually(async () => (await two.as(bearer).request('GET', files)).status === 503);
      const refusal = { status: 0, code: '' };
      await room.instructor.json(202, 'POST', `/api/workshops/${id}/seats/1/remove`);
      const removedAt = performance.now();
      await eventually(async () => {
        const response = await two.as(bearer).request('GET', files);
        const body = (await response.json()) as { error?: { code: string } };
        Object.assign(refusal, { status: response.status, code: body.error?.code });
        return refusal.code === 'removed';
      });
      t.diagnostic(`lag between two servers: ${Math.round(performance.now() - removedAt)} ms`);
      assert.deepEqual(refusal, { status: 403, code: 'removed' });
      const renewed = await two.as(bearer).request('POST', '/api/session/renew', {});
      assert.equal(renewed.status, 403);
      assert.equal(((await renewed.json()) as { error: { code: string } }).error.code, 'removed');
      const again = { code, name: 'Mallory', odehash: learner.odehash };
      assert.equal((await two.anyone.request('POST', '/api/join', again)).status, 403);
    });
  }
});

/** Two whole servers on one database, and an instructor at the first. */
async function twoServers(url: string) {
  const env = { DATABASE_URL: url, WORKSPACE_TOKEN_SECRET: TEST_SECRET };
  const one = await testServer({ env });
  const two = await testServer({ env });
  const servers: readonly [TestServer, TestServer] = [one, two];
  return {
    servers,
    instructor: await one.signedIn(await one.linkFor('teacher@example.org')),
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server.close();
    },
  };
}
