import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAgentConfig } from '@clarateach/agent/config';
import { agentEnvironment } from './smoke-test.ts';

test('the agent of the smoke test has this machine’s settings of microVMs', () => {
  const settings = {
    imagesDirectory: '/srv/images',
    bridge: { name: 'br-seats', address: '10.20.30.1/24' },
    socketDirectory: '/run/seats',
    warmSeats: 0,
  };
  const config = readAgentConfig(agentEnvironment('/var/tmp/state', 'a'.repeat(48), settings));
  assert.deepEqual(config.microvm, settings);
  assert.equal(config.runtime, 'firecracker');
});
