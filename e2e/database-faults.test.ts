import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connectInstructor } from '@clarateach/bench/platform';
import { openTerminal, seatAddress } from '@clarateach/bench/terminal';
import type { ErrorBody } from '@clarateach/contract/errors';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { openDatabase } from '@clarateach/server/store/database';
import { startPostgres, type TestPostgres } from '@clarateach/server/store/testing';
import { freePort } from '@clarateach/server/testing/free-port';
import { tcpProxy } from '@clarateach/server/testing/tcp-proxy';
import { canRunSeats } from './platform/can-run.ts';
import { answer, ask, rejoin } from './platform/learner.ts';
import { endAll, leftOf } from './platform/leftovers.ts';
import { end, eventually, firstInstructor, launch, newInstallation } from './platform/up.ts';

const OUTAGE_MS = 6_000;
const SEATS = 12;
const LEARNERS = 100;
/** The lease of a server that was killed, and a round of the one that takes over. */
const TAKEN_OVER_MS = 20_000;

let postgres: TestPostgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres.stop());

test('while PostgreSQL is gone the API answers 503, terminals go on, and all comes back by itself', async () => {
  const direct = await postgres.create();
  const way = await tcpProxy(Number(new URL(direct).port));
  try {
    const url = new URL(direct);
    url.port = String(way.port);
    await using installation = await newInstallation('local', { databaseUrl: direct });
    const running = await installation.up({ env: { DATABASE_URL: url.href } });
    const instructor = await firstInstructor(installation, running);
    const { id, code } = await instructor.workshop(2);
    const ada = await instructor.join(code, 'Ada');
    const terminal = await openTerminal(seatAddress(ada), { cols: 200, rows: 30 });
    assert.equal(await ask(terminal, 'MARK=alive; echo $((6*7))'), '42');

    way.cut();
    for (const until = Date.now() + OUTAGE_MS; Date.now() < until; ) {
      const refused = await postJoin(installation.url, code, 'Grace');
      assert.equal(refused.status, 503);
      assert.ok(Number(refused.headers.get('retry-after')) > 0, 'it says when to try again');
      assert.equal(((await refused.json()) as ErrorBody).error.code, 'unavailable');
      assert.equal(await ask(terminal, 'echo $MARK'), 'alive', 'the open terminal works');
    }
    const health = (await (await fetch(`${installation.url}/api/health`)).json()) as { status: string };
    assert.equal(health.status, 'degraded');
    assert.equal(await answer(ada, 'echo $MARK'), 'alive', 'a new connection with a token works');

    way.mend();
    await eventually('Grace is let in', async () => (await postJoin(installation.url, code, 'Grace')).ok);
    const back = await rejoin(instructor, code, ada);
    assert.deepEqual([back.seat, back.returning], [ada.seat, true]);
    assert.equal(await ask(terminal, 'echo $MARK'), 'alive', 'it is the same terminal');
    await terminal.close();
    // The loop works again too: a seat is restarted, and the workshop is taken away.
    await instructor.api('POST', `/api/workshops/${id}/seats/2/restart`);
    await eventually('the seat is there again', async () => {
      const { seats } = await instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
      return seats[1]?.phase === 'occupied';
    });
    await instructor.remove(id);
    assert.equal(await running.stop(), 0);
    assert.deepEqual(await installation.leftBehind(), []);
  } finally {
    await way.close();
  }
});

describe('two servers on one PostgreSQL', canRunSeats('docker'), () => {
  test('share its workshops, and one takes over when the other is killed', async () => {
    const databaseUrl = await postgres.create();
    const data = await mkdtemp(join(tmpdir(), 'clarateach-e2e-'));
    const traces = { data, databaseUrl };
    const server = async (name: string) => {
      const port = await freePort();
      const launched = launch(['server'], {
        PORT: String(port),
        DATA_DIR: join(data, name),
        DATABASE_URL: databaseUrl,
        WORKSPACE_TOKEN_SECRET: 'shared-by-both-servers-of-this-test',
        RUNTIME: 'docker',
      });
      return { launched, url: `http://localhost:${port}` };
    };
    const one = await server('one');
    const other = await server('other');
    try {
      const { signIn } = await one.launched.ready;
      await other.launched.ready;
      assert.ok(signIn, 'the first start tells how to sign in');
      const first = await connectInstructor(one.url, signIn);
      const { id, code } = await first.api<WorkshopDetails>('POST', '/api/workshops?wait=ready', {
        name: 'Shared',
        seats: SEATS,
        start: true,
      });

      const answers = await Promise.all(
        Array.from({ length: LEARNERS }, async (_, index) => {
          const { url } = index % 2 === 0 ? one : other;
          const response = await postJoin(url, code, `Learner ${index}`);
          return { url, status: response.status, body: (await response.json()) as SeatSession & ErrorBody };
        }),
      );
      const taken = answers.filter(({ status }) => status === 200);
      const refused = answers.filter(({ status }) => status === 409);
      assert.deepEqual(
        taken.map(({ body }) => body.seat).toSorted((a, b) => a - b),
        Array.from({ length: SEATS }, (_, index) => index + 1),
        'each seat is given once',
      );
      assert.equal(refused.length, LEARNERS - SEATS);
      assert.ok(refused.every(({ body }) => body.error.code === 'workshop_full'));

      for (const { url, body: session } of taken.slice(0, 4)) {
        const elsewhere = url === one.url ? other.url : one.url;
        const through = { ...session, endpoint: session.endpoint.replace(url, elsewhere) };
        assert.notEqual(through.endpoint, session.endpoint);
        assert.equal(await answer(through, 'echo $SEAT'), String(session.seat));
      }

      const holder = await leaseHolder(databaseUrl, id);
      const killed = holder.includes(`-${one.launched.pid}-`) ? one : other;
      const survivor = killed === one ? other : one;
      killed.launched.signal('SIGKILL');
      await killed.launched.ended;
      // An address of the other server: an API token is good at both.
      const workshop = `${survivor.url}/api/workshops/${id}`;
      await first.api('POST', `${workshop}/seats/1/restart`);
      await eventually(
        'the survivor looks after the workshop',
        async () => (await leaseHolder(databaseUrl, id)).includes(`-${survivor.launched.pid}-`),
        TAKEN_OVER_MS,
      );
      await eventually('the survivor has restarted the seat', async () => {
        const { seats } = await first.api<WorkshopDetails>('GET', workshop);
        return seats[0]?.phase === 'occupied';
      });
      await first.api('DELETE', workshop);
      await eventually('the workshop is gone', async () => {
        const { workshops } = await first.api<{ workshops: unknown[] }>(
          'GET',
          `${survivor.url}/api/workshops`,
        );
        return workshops.length === 0;
      });
      survivor.launched.signal('SIGTERM');
      assert.equal(await survivor.launched.ended, 0);
      assert.deepEqual(await leftOf(traces), []);
    } finally {
      for (const { launched } of [one, other]) await end(launched);
      await endAll(traces);
      await rm(data, { recursive: true, force: true });
    }
  });
});

async function leaseHolder(url: string, id: string): Promise<string> {
  const database = openDatabase({ kind: 'postgresql', url });
  try {
    const row = await database.db
      .selectFrom('workshops')
      .select('leaseHolder')
      .where('id', '=', id as WorkshopDetails['id'])
      .executeTakeFirst();
    return row?.leaseHolder ?? '';
  } finally {
    await database.close();
  }
}

function postJoin(url: string, code: string, name: string): Promise<Response> {
  return fetch(`${url}/api/join`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code, name }),
  });
}
