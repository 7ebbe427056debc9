import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type SeatId, seatName, type WorkshopId } from '@clarateach/contract/ids';
import type { SeatProvider } from '@clarateach/seats/provider';
import { qemu } from '@clarateach/seats/providers/microvm/qemu';
import { IMAGES, leftOversOf, specOf } from '@clarateach/seats/providers/microvm/testing';
import { remoteProvider } from '@clarateach/seats/providers/remote';
import { inTerminal } from '@clarateach/seats/seat-client';
import { AGENT_TOKEN, type AgentProcess, newAgent } from './platform/agents.ts';
import { canRunSeats } from './platform/can-run.ts';
import { eventually } from './platform/up.ts';

/** Milliseconds into a start at which the agent is killed: before, while and after the VM comes up. */
const MOMENTS = [0, 60, 150, 300, 600, 2_000];
const START_MS = 240_000;
const { signal } = new AbortController();

describe('a worker of microVMs', canRunSeats('firecracker'), () => {
  test('keeps what runs and cleans what died, whichever process is killed', {
    timeout: 900_000,
  }, async () => {
    await using worker = await startedWorker();
    const { agent, seat, running } = worker;
    const other: SeatId = { ...seat, seat: 2 };

    const host = await running(seat);
    assert.equal(await inTerminal(host, 'echo kept >kept.txt; echo $((6*7))', START_MS), '42');
    const boot = await inTerminal(host, 'cat /proc/sys/kernel/random/boot_id', START_MS);

    for (const moment of MOMENTS) {
      const asked = worker.provider().then((each) => each.ensure(specOf(other), signal));
      asked.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, moment));
      await agent.kill();
      await asked.catch(() => {});
      await agent.start();
      // The seat that ran is the same guest still, at the same address; the other comes up after all.
      assert.deepEqual(await running(seat), host, `killed after ${moment} ms`);
      assert.equal(await inTerminal(host, 'cat /proc/sys/kernel/random/boot_id', START_MS), boot);
      assert.notDeepEqual(await running(other), host);
      await (await worker.provider()).destroy(other, signal);
    }

    // A VMM that is killed is seen to have ended, also by an agent that was away; the files are there again.
    const vmm = await qemu('emulation');
    const run = join(agent.data, 'microvms', 'seats', seatName(seat), 'run');
    await vmm.kill(run);
    await agent.kill();
    await agent.start();
    assert.equal((await (await worker.provider()).observe(seat, signal)).state, 'exited');
    assert.equal(await inTerminal(await running(seat), 'cat kept.txt', START_MS), 'kept');

    await (await worker.provider()).destroy(seat, signal);
    assert.deepEqual(await worker.leftOvers(), []);
  });
});

async function startedWorker() {
  const agent: AgentProcess = await newAgent({ env: { IMAGES_DIR: IMAGES }, runtime: 'firecracker' });
  await agent.start();
  const installation = (await readFile(join(agent.data, 'agent.id'), 'utf8')).trim();
  const workshop = `ws-${randomBytes(4).toString('hex')}` as WorkshopId;
  const provider = (): Promise<SeatProvider> =>
    remoteProvider({ address: `http://127.0.0.1:${agent.port}`, token: AGENT_TOKEN }, signal);
  return {
    agent,
    provider,
    seat: { workshop, seat: 1 } satisfies SeatId,
    leftOvers: () => leftOversOf(installation, join(agent.data, 'microvms')),
    /** Asks for the seat until it runs; where its VM is reached on this machine. */
    async running(id: SeatId) {
      const own = await provider();
      await eventually(
        `${seatName(id)} runs`,
        async () => {
          await own.ensure(specOf(id), signal);
          return (await own.observe(id, signal)).state === 'running';
        },
        START_MS,
      );
      await own.close();
      const addresses = join(agent.data, 'microvms', 'addresses');
      for (const host of await readdir(addresses)) {
        if ((await readlink(join(addresses, host))) === seatName(id)) return { kind: 'tcp', host } as const;
      }
      throw new Error(`${seatName(id)} has no address`);
    },
    async [Symbol.asyncDispose]() {
      const own = await provider();
      for (const id of await own.list(signal)) await own.destroy(id, signal);
      await own.close();
      assert.equal(await agent.stop(), 0);
      await agent.end();
    },
  };
}
