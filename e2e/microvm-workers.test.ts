import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { IMAGES, leftOversOf } from '@clarateach/seats/providers/microvm/testing';
import type { AgentProcess } from './platform/agents.ts';
import { canRunSeats } from './platform/can-run.ts';
import { answer, eventualAnswer, rejoin } from './platform/learner.ts';
import { eventually } from './platform/up.ts';
import { twoWorkers } from './platform/worker-stage.ts';

/** In software, on a machine that has other work. */
const START_MS = 240_000;

describe('two workers of microVMs', canRunSeats('firecracker'), () => {
  test('a worker that returns after it was given up ends its virtual machine: no claim has two live seats', {
    timeout: 900_000,
  }, async () => {
    await using stage = await twoWorkers({ runtime: 'firecracker', env: { IMAGES_DIR: IMAGES } });
    const { instructor, one, two } = stage;
    const { id, code } = await instructor.workshop(1);
    const show = () => instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
    const isReady = async () => (await show()).phase === 'ready';
    await eventually('the seat is ready', isReady, START_MS);
    const ada = await instructor.join(code, 'Ada');
    const home = stage.agentWith([new URL(ada.endpoint).port]);
    const away = home === one ? two : one;
    assert.equal(await eventualAnswer(ada, 'echo kept > kept.txt; echo $((6*7))'), '42');
    const boot = await eventualAnswer(ada, 'cat /proc/sys/kernel/random/boot_id');

    // The agent dies, its virtual machine does not. The seat is brought up on the other worker in the end;
    // while that one starts, which takes seconds, the first agent is back with a guest that runs.
    await home.kill();
    assert.equal((await machines(home)).length, 1, 'the guest runs on without its agent');
    await eventually('placed on the other worker', async () => (await away.held()).length === 1, 60_000);
    await home.start();
    assert.equal((await machines(home)).length, 1, 'which the returned agent finds');

    await eventually(
      'the returned worker has given its seat up',
      async () => (await home.held()).length === 0,
    );
    assert.deepEqual(await leftOf(home), [], 'with its process, disks, address and port of the bridge');
    await eventually('the seat is ready again', isReady, START_MS);
    assert.deepEqual([(await home.held()).length, (await away.held()).length], [0, 1]);
    assert.equal((await machines(away)).length, 1);

    // Its learner is led to the guest that is left, and to no other.
    await assert.rejects(answer(ada, 'echo $((6*7))'), 'the old place lets nobody in');
    const again = await rejoin(instructor, code, ada);
    assert.equal(again.seat, ada.seat);
    assert.equal(new URL(again.endpoint).port, String(away.port));
    assert.equal(await eventualAnswer(again, 'cat kept.txt 2>/dev/null || echo none'), 'none');
    assert.notEqual(await eventualAnswer(again, 'cat /proc/sys/kernel/random/boot_id'), boot);
    assert.match((await show()).seats[0]?.reason ?? '', /another worker.*files that were on it are gone/);

    await instructor.remove(id);
    for (const agent of [one, two]) {
      await eventually('nothing is left', async () => (await agent.held()).length === 0);
      assert.deepEqual(await leftOf(agent), []);
    }
  });
});

/** The seats of an agent that have a virtual machine with a process. */
async function machines(agent: AgentProcess): Promise<string[]> {
  const seats = join(agent.data, 'microvms', 'seats');
  const running: string[] = [];
  for (const name of await readdir(seats).catch((): string[] => [])) {
    const record = await readFile(join(seats, name, 'run', 'process'), 'utf8').catch(() => '');
    const pid = record.split(' ')[1];
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes('qemu') || command.includes('firecracker')) running.push(name);
  }
  return running;
}

async function leftOf(agent: AgentProcess): Promise<string[]> {
  const installation = (await readFile(join(agent.data, 'agent.id'), 'utf8')).trim();
  return leftOversOf(installation, join(agent.data, 'microvms'));
}
