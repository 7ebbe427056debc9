import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer as createMetadata } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { TOKEN, testAgent } from '@clarateach/agent/testing';
import { connectInstructor } from '@clarateach/bench/platform';
import type { AgentHealth } from '@clarateach/contract/agent-api';
import type { WorkerView } from '@clarateach/contract/health';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { readConfig } from '@clarateach/server/config';
import { createServer } from '@clarateach/server/main';
import { eventually, runToEnd } from './platform/up.ts';

test('the command line lists workers, and drains one until it is empty', { timeout: 120_000 }, async () => {
  await using stage = new AsyncDisposableStack();
  const agent = stage.adopt(await testAgent(instantProvider(), { env: { CAPACITY: '3' } }), (each) =>
    each.close(),
  );
  const data = stage.adopt(await mkdtemp(join(tmpdir(), 'clarateach-commands-')), (path) =>
    rm(path, { recursive: true, force: true }),
  );
  const address = `127.0.0.1:${agent.port}`;
  const server = stage.adopt(
    await createServer(
      readConfig({
        PORT: '0',
        DATA_DIR: data,
        LOG_LEVEL: 'silent',
        WORKER_AGENTS: JSON.stringify([
          { address, token: TOKEN },
          { address: '127.0.0.1:1', token: 'somebody' },
        ]),
      }),
    ),
    (each) => each.close(),
  );
  const instructor = await connectInstructor(server.url, server.signInUrl ?? '');
  const { token } = await instructor.api<{ token: string }>('POST', '/api/tokens', { name: 'commands' });
  const asked = (...args: string[]) =>
    runToEnd(args, { CLARATEACH_URL: server.url, CLARATEACH_TOKEN: token, AGENT_TOKEN: TOKEN });
  const drain = (...more: string[]) => asked('agent', 'drain', '--address', address, ...more);
  const { id } = await instructor.workshop(2);
  await eventually('the server has heard of both seats', async () => {
    const { workers } = await instructor.api<{ workers: WorkerView[] }>('GET', '/api/admin/vms');
    return workers[0]?.seats.length === 2;
  });

  const listed = await asked('workers');
  assert.equal(listed.code, 0);
  assert.match(listed.stdout, new RegExp(`^http://${address} +up +local +\\S+ +2/3 +\\d{4}-`, 'm'));
  assert.match(listed.stdout, /^http:\/\/127\.0\.0\.1:1 +down +- +- +0\/0 +-$/m);
  assert.match(listed.stderr, /127\.0\.0\.1:1 does not answer/);
  const json = JSON.parse((await asked('workers', '--json')).stdout) as WorkerView[];
  assert.deepEqual(
    json.map(({ state, seatCount }) => [state, seatCount]),
    [
      ['up', 2],
      ['down', 0],
    ],
  );

  const draining = await drain();
  assert.deepEqual([draining.code, draining.stdout.includes('2 seats are left')], [0, true], draining.stderr);
  await eventually('the server knows', async () => /draining/.test((await asked('workers')).stdout));
  const waiting = drain('--wait', '--json');
  await instructor.remove(id);
  const empty = await waiting;
  const health = JSON.parse(empty.stdout) as AgentHealth;
  assert.deepEqual([empty.code, health.status, health.vm_count], [0, 'draining', 0]);
  assert.match((await drain('--undo')).stdout, /takes seats again/);
  await instructor.remove((await instructor.workshop(1)).id);

  const wrong = await runToEnd(['agent', 'drain', '--address', address], { AGENT_TOKEN: 'not-the-token' });
  assert.deepEqual([wrong.code, /does not take this token/.test(wrong.stderr)], [1, true]);
  // On a cloud VM, as the agent itself has it.
  const metadata = stage
    .adopt(
      createMetadata((_, response) => response.setHeader('metadata-flavor', 'Google').end(TOKEN)),
      (each) => {
        each.closeAllConnections();
        each.close();
      },
    )
    .listen(0, '127.0.0.1');
  await once(metadata, 'listening');
  const onVm = await runToEnd(['agent', 'drain', '--undo', '--address', address], {
    AGENT_TOKEN: '',
    GCE_METADATA_HOST: `127.0.0.1:${(metadata.address() as AddressInfo).port}`,
  });
  assert.deepEqual([onVm.code, /takes seats again/.test(onVm.stdout)], [0, true], onVm.stderr);
  const nobody = await asked('agent', 'drain', '--address', '127.0.0.1:1');
  assert.deepEqual([nobody.code, /No agent answers at 127\.0\.0\.1:1/.test(nobody.stderr)], [1, true]);
  assert.equal((await drain('--undo', '--wait')).code, 2);
});
