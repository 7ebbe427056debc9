import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cgroupsHere } from '@clarateach/seats/providers/microvm/cgroup';
import { IMAGES, whyNoMicrovms } from '@clarateach/seats/providers/microvm/testing';
import { readAgentConfig } from './config.ts';
import { createAgent } from './main.ts';

const skip = await whyNoMicrovms();
if (skip) {
  console.log(`NOT RUN: the log of a microVM worker: ${skip}`);
  if (process.env.CI === 'true') throw new Error(`NOT RUN: ${skip}`);
}

test('a microVM worker logs in what VMs run and why, and whether they are limited', {
  skip: skip ?? false,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-runtime-'));
  const lines: string[] = [];
  try {
    const config = readAgentConfig({
      ...{ PORT: '0', AGENT_TOKEN: 'a-token-of-the-tests', RUNTIME: 'firecracker' },
      ...{ DATA_DIR: directory, IMAGES_DIR: IMAGES, SOCKET_DIR: join(directory, 'sockets') },
    });
    const agent = await createAgent(config, { log: (level, line) => void lines.push(`${level} ${line}`) });
    await agent.close();
    const why = lines.find((line) => line.startsWith('info MicroVMs run in '));
    assert.match(
      why ?? '',
      /^info MicroVMs run in (Firecracker|QEMU) (on KVM|in software, .*\(.+\))/,
      lines.join(),
    );
    assert.equal(/not limited from outside/.test(why ?? ''), (await cgroupsHere()) === undefined);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
