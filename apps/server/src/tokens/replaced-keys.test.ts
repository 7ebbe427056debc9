import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import { openDatabase } from '../store/database.ts';
import { startPostgres, type TestPostgres } from '../store/testing.ts';
import { eventually } from '../testing/control-plane.ts';
import { TEST_SECRET, type TestServer, testServer } from '../testing/server.ts';
import { createSealing } from './sealing.ts';
import { openSigningKeys } from './signing-keys.ts';

describe('signing keys that an operator ends at once', () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  test('open nothing at either of two servers; who has the return code is back at the same seat', async (t) => {
    await using stage = new AsyncDisposableStack();
    const url = await postgres.create();
    const env = { DATABASE_URL: url, WORKSPACE_TOKEN_SECRET: TEST_SECRET };
    const open = async (): Promise<TestServer> =>
      stage.adopt(await testServer({ env }), (each) => each.close());
    const servers = [await open(), await open()];
    const [one] = servers as [TestServer];
    const instructor = await one.signedIn(await one.linkFor('teacher@example.org'));
    const { id, code } = await one.createWorkshop(instructor, { seats: 2 });
    const name = 'Ada';
    const session = await one.anyone.json<SeatSession>(200, 'POST', '/api/join', { code, name });
    const { odehash, seat } = session;

    const files = async (server: TestServer, token: string) => {
      const path = `/debug/proxy/${id}/vm/${seat}/files?path=.`;
      const response = await server.as({ authorization: `Bearer ${token}` }).request('GET', path);
      await response.body?.cancel();
      return response.status;
    };
    // The double's seats have no workspace server: 503 is the answer to whose token passes.
    const refusedFrom = async (server: TestServer, token: string) => {
      await eventually(async () => (await files(server, token)) === 401);
      return performance.now();
    };
    for (const server of servers) await eventually(async () => (await files(server, session.token)) === 503);

    let { token } = session;
    const lags: number[] = [];
    for (let round = 0; round < 5; round++) {
      const old = token;
      let replacing = true;
      const renewed: string[] = [];
      const renewals = servers.flatMap((server) =>
        Array.from({ length: 4 }, async () => {
          while (replacing) {
            const renewal = await server
              .as({ authorization: `Bearer ${old}` })
              .request('POST', '/api/session/renew', {});
            const body = (await renewal.json()) as Partial<SeatSession>;
            if (body.token) renewed.push(body.token);
          }
        }),
      );
      const replacedAt = await replaceKeys(url);
      const ends = await Promise.all(servers.map((server) => refusedFrom(server, token)));
      lags.push(Math.round(Math.max(...ends) - replacedAt));
      replacing = false;
      await Promise.all(renewals);
      // No renewal that was under way carries an old token over into the new key.
      assert.ok(renewed.length > 0);
      for (const each of renewed) assert.equal(await files(one, each), 401);
      for (const server of servers) {
        const renewal = await server
          .as({ authorization: `Bearer ${token}` })
          .request('POST', '/api/session/renew', {});
        assert.equal(renewal.status, 401);
      }
      const back = await servers[round % 2]?.anyone.json<SeatSession>(200, 'POST', '/api/join', {
        code,
        name,
        odehash,
      });
      assert.deepEqual([back?.seat, back?.odehash], [seat, odehash]);
      token = back?.token ?? '';
      for (const server of servers) assert.equal(await files(server, token), 503);
    }
    // One that comes now is not given a token that was made ahead with a key of before.
    const bob = await one.anyone.json<SeatSession>(200, 'POST', '/api/join', { code, name: 'Bob' });
    const renewed = await one
      .as({ authorization: `Bearer ${bob.token}` })
      .request('POST', '/api/session/renew', {});
    assert.equal(renewed.status, 200);
    t.diagnostic(`until both servers refuse the old token: ${lags.join(', ')} ms`);
  });
});

/** As the command does it, beside the servers; gives when it was done. */
async function replaceKeys(url: string): Promise<number> {
  const database = openDatabase({ kind: 'postgresql', url });
  const keys = await openSigningKeys({
    database,
    sealing: createSealing(TEST_SECRET),
    now: Date.now,
    onError: (error) => assert.fail(String(error)),
  });
  try {
    await keys.replace();
    return performance.now();
  } finally {
    await keys.close();
    await database.close();
  }
}
