import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connectInstructor } from '@clarateach/bench/platform';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { startPostgres, type TestPostgres } from '@clarateach/server/store/testing';
import { freePort } from '@clarateach/server/testing/free-port';
import { AGENT_TOKEN, newAgent } from './platform/agents.ts';
import { canRunSeats } from './platform/can-run.ts';
import { answer } from './platform/learner.ts';
import { end, eventually, type Launched, launch } from './platform/up.ts';

const SEATS = 6;
/** The lease of a server that was killed, and a round of the one that takes over. */
const TAKEN_OVER_MS = 25_000;

interface Server {
  readonly url: string;
  readonly launched: Launched;
}

describe('two servers on one PostgreSQL and the same two workers', canRunSeats('local'), () => {
  let postgres: TestPostgres;
  before(async () => {
    postgres = await startPostgres();
  });
  after(() => postgres.stop());

  test('make each seat once, and one goes on when the other is killed in the middle', {
    timeout: 300_000,
  }, async () => {
    await using stage = new AsyncDisposableStack();
    const data = stage.adopt(await mkdtemp(join(tmpdir(), 'clarateach-e2e-')), (path) =>
      rm(path, { recursive: true, force: true }),
    );
    const databaseUrl = await postgres.create();
    const [portOfOne, portOfOther] = [await freePort(), await freePort()];
    const agents = await Promise.all(
      [portOfOne, portOfOther].map(async (port) => {
        // Each has its keys from another server; the keys are the same.
        const agent = stage.adopt(
          await newAgent({ env: { SERVER_URL: `http://localhost:${port}` } }),
          (each) => each.end(),
        );
        await agent.start();
        return agent;
      }),
    );
    const start = (name: string, port: number): Server => ({
      url: `http://localhost:${port}`,
      launched: stage.adopt(
        launch(['server'], {
          PORT: String(port),
          DATA_DIR: join(data, name),
          DATABASE_URL: databaseUrl,
          WORKSPACE_TOKEN_SECRET: 'shared-by-both-servers-of-this-test',
          RUNTIME: 'local',
          WORKER_AGENTS: JSON.stringify(
            agents.map((agent) => ({ address: `127.0.0.1:${agent.port}`, token: AGENT_TOKEN })),
          ),
        }),
        end,
      ),
    });
    const one = start('one', portOfOne);
    const { signIn } = await one.launched.ready;
    assert.ok(signIn);
    const other = start('other', portOfOther);
    await other.launched.ready;
    const { api } = await connectInstructor(one.url, signIn);
    const held = async () => (await Promise.all(agents.map((agent) => agent.held()))).flat();

    // A class that comes up while both look, and while one of them dies.
    const made = await api<WorkshopDetails>('POST', '/api/workshops', {
      name: 'Shared',
      seats: SEATS,
      start: true,
    });
    await eventually('the first seats are there', async () => (await held()).length > 0);
    // It made the workshop, so it holds the lease, or is about to.
    one.launched.signal('SIGKILL');
    await one.launched.ended;
    const workshop = `${other.url}/api/workshops/${made.id}`;
    await eventually(
      'the survivor brings up the rest',
      async () => (await api<WorkshopDetails>('GET', workshop)).phase === 'ready',
      TAKEN_OVER_MS,
    );
    const seats = (await held()).map(({ seat_id }) => seat_id).toSorted((a, b) => a - b);
    assert.deepEqual(seats, [1, 2, 3, 4, 5, 6], 'each seat on one worker');

    // The dead one comes back; joins at both at once give each seat once, and both lead to it.
    const back = start('one', portOfOne);
    await back.launched.ready;
    const answers = await Promise.all(
      Array.from({ length: SEATS * 3 }, async (_, index) => {
        const response = await fetch(`${index % 2 === 0 ? back.url : other.url}/api/join`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ code: made.code, name: `Learner ${index}` }),
        });
        return { status: response.status, session: (await response.json()) as SeatSession };
      }),
    );
    const taken = answers.filter(({ status }) => status === 200).map(({ session }) => session);
    assert.deepEqual(
      taken.map(({ seat }) => seat).toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5, 6],
      'each seat is given once',
    );
    for (const session of taken) {
      assert.equal(await answer(session, 'echo $SEAT'), String(session.seat), 'straight to its worker');
    }
    const [first] = taken as [SeatSession];
    for (const { url } of [back, other]) {
      const through = { ...first, endpoint: `${url}/debug/proxy/${made.id}` };
      assert.equal(await answer(through, 'echo $SEAT'), String(first.seat), 'through either server');
    }

    await api('DELETE', workshop);
    await eventually('nothing is left on the workers', async () => (await held()).length === 0);
  });
});
