import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openTerminal, seatAddress } from '@clarateach/bench/terminal';
import type { SeatSession } from '@clarateach/contract/join';
import { AGENT_TOKEN, newAgent, untilLearnersGoStraight } from './platform/agents.ts';
import { canRunSeats } from './platform/can-run.ts';
import { ask } from './platform/learner.ts';
import { eventually, firstInstructor, newInstallation, runToEnd } from './platform/up.ts';

const CLOSE_TOKEN_EXPIRED = 4401;

describe('signing keys that the command line ends at once', canRunSeats('local'), () => {
  test('open nothing on a worker and at the server, and a learner comes back to the same shell', {
    timeout: 200_000,
  }, async (t) => {
    await using stage = new AsyncDisposableStack();
    const installation = stage.use(await newInstallation('local'));
    const agent = stage.adopt(await newAgent({ env: { SERVER_URL: installation.url } }), (each) =>
      each.end(),
    );
    await agent.start();
    const workers = JSON.stringify([{ address: `127.0.0.1:${agent.port}`, token: AGENT_TOKEN }]);
    const running = stage.adopt(await installation.up({ env: { WORKER_AGENTS: workers } }), async (each) => {
      await each.stop();
    });
    const instructor = await firstInstructor(installation, running);
    await untilLearnersGoStraight(instructor);
    const { id, code } = await instructor.workshop(1);
    let session = await instructor.join(code, 'Ada');
    const { odehash, seat } = session;
    const lags: number[] = [];
    for (let round = 0; round < 3; round++) {
      const onWorker = session;
      assert.match(onWorker.endpoint, new RegExp(`:${agent.port}/`));
      const throughServer = { ...session, endpoint: `${installation.url}/debug/proxy/${id}` };
      const terminals = [];
      for (const each of [onWorker, throughServer]) {
        const terminal = await openTerminal(seatAddress(each), { cols: 200, rows: 30 });
        assert.equal(await ask(terminal, `rounds="$rounds."; echo $((6*7))`), '42');
        const closed = terminal.closed.then((closeCode) => ({ closeCode, at: Date.now() }));
        terminals.push(closed);
      }
      const { code: exit, stdout } = await runToEnd(
        ['keys', 'rotate', '--now', '--yes', '--json', '--data', installation.data],
        {},
      );
      assert.equal(exit, 0);
      const { key } = JSON.parse(stdout) as { key: { createdAt: string } };
      for (const { closeCode, at } of await Promise.all(terminals)) {
        assert.equal(closeCode, CLOSE_TOKEN_EXPIRED);
        lags.push(at - Date.parse(key.createdAt));
      }
      for (const each of [onWorker, throughServer]) assert.equal(await files(each), 401);
      const renewal = await fetch(`${installation.url}/api/session/renew`, {
        method: 'POST',
        headers: { authorization: `Bearer ${session.token}`, 'content-type': 'application/json' },
        body: '{}',
      });
      assert.equal(renewal.status, 401);

      // What a learner's page does then by itself. Until the worker has the new key, it leads through the server.
      await eventually('straight to the worker again', async () => {
        session = await instructor.api<SeatSession>('POST', '/api/join', { code, name: 'Ada', odehash });
        assert.equal(session.seat, seat);
        if (session.endpoint === onWorker.endpoint) return true;
        assert.equal(session.endpoint, throughServer.endpoint);
        assert.equal(await files(session), 200);
        return false;
      });
      const back = await openTerminal(seatAddress(session), { cols: 200, rows: 30 });
      assert.equal(await ask(back, 'echo $rounds'), '..'.repeat(round + 1), 'the same shell');
      await back.close();
    }
    t.diagnostic(`from the new key to the closed terminal, worker and server: ${lags.join(', ')} ms`);

    // A worker that was away hears of it when it is back.
    const old = session;
    await agent.kill();
    await runToEnd(['keys', 'rotate', '--now', '--yes', '--data', installation.data], {});
    await agent.start();
    await eventually('the worker refuses the old token', async () => (await files(old)) === 401, 10_000);
    await instructor.remove(id);
  });
});

async function files({ endpoint, seat, token }: SeatSession): Promise<number> {
  const response = await fetch(`${endpoint}/vm/${seat}/files?path=.`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await response.body?.cancel();
  return response.status;
}
