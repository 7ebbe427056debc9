import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { AGENT_VERSION_HEADER, type AgentInfo } from '@clarateach/contract/agent-api';
import { eventually } from '../testing/control-plane.ts';
import { watchWorker } from './worker.ts';

const INFO: AgentInfo = {
  status: 'ok',
  vm_count: 0,
  capacity: 1,
  version: '0',
  api_version: 1,
  runtime: { name: 'local', isolation: 'process', note: '' },
  addresses: { listen: '', public_url: null },
  revocations: '',
  started_at: 0,
  key_ids: [],
  vms: [],
};

test('a worker that refuses this server is not lost, and one that is silent then is lost from that on', async () => {
  let answers: 'info' | 'refusal' | 'silence' = 'info';
  const agent = createServer((request, response) => {
    if (answers === 'silence') {
      request.socket.destroy();
      return;
    }
    const [status, body] =
      answers === 'info'
        ? [200, INFO]
        : [401, { error: { code: 'unauthenticated', message: 'No.', requestId: 'r' } }];
    response.writeHead(status, { [AGENT_VERSION_HEADER]: '1' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(agent, 'listening');
  let now = 1_000;
  const worker = watchWorker({
    worker: {
      address: `http://127.0.0.1:${(agent.address() as AddressInfo).port}`,
      token: 'somebody',
      publicUrl: undefined,
    },
    installation: 'one',
    now: () => now,
    refusal: () => '',
    onInfo: async () => {},
    onState: () => {},
    onError: () => {},
  });
  try {
    await eventually(() => worker.state === 'up');
    answers = 'silence';
    await eventually(() => worker.state === 'down', 10_000);
    assert.equal(worker.lostAt, 1_000);
    answers = 'refusal';
    now = 500_000;
    await eventually(() => worker.state === 'refused');
    assert.equal(worker.lostAt, undefined);
    assert.match(worker.problem, /does not take this server's token/);
    answers = 'silence';
    now = 900_000;
    await eventually(() => worker.state === 'down', 10_000);
    assert.equal(worker.lostAt, 900_000);
    answers = 'info';
    await eventually(() => worker.state === 'up');
    assert.equal(worker.lostAt, undefined);
  } finally {
    await worker.close();
    agent.closeAllConnections();
    agent.close();
    await once(agent, 'close');
  }
});
