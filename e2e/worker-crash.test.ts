import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { canRunSeats } from './platform/can-run.ts';
import { eventualAnswer } from './platform/learner.ts';
import { eventually } from './platform/up.ts';
import { twoWorkers, type WorkerStage } from './platform/worker-stage.ts';

const SEATS = 4;
/** Milliseconds after a start or stop was asked at which somebody is killed: before, while and after seats come and go. */
const MOMENTS = [0, 80, 300, 1_000];
const CONVERGES_MS = 60_000;

describe('on two workers', canRunSeats('local'), () => {
  const victims: readonly [string, (stage: WorkerStage) => Promise<void>][] = [
    ['an agent', restartAgent],
    ['the server', restartServer],
    ['an agent and the server', (stage) => Promise.all([restartAgent(stage), restartServer(stage)]).then()],
  ];
  for (const [victim, restart] of victims) {
    test(`${victim} killed at any moment of a start or a stop leaves no seat twice, and none over`, {
      timeout: 400_000,
    }, async () => {
      await using stage = await twoWorkers();
      const { instructor, one, two } = stage;
      const { id, code } = await instructor.api<WorkshopDetails>('POST', '/api/workshops', {
        name: 'Crash',
        seats: SEATS,
      });
      const reaches = (phase: WorkshopDetails['phase'], moment: number) =>
        eventually(
          `${phase} after a kill at ${moment} ms`,
          async () => {
            const details = await instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
            return details.phase === phase;
          },
          CONVERGES_MS,
        );
      const held = async () =>
        [...(await one.held()), ...(await two.held())]
          .map(({ seat_id }) => seat_id)
          .toSorted((a, b) => a - b);

      for (const moment of MOMENTS) {
        await instructor.api('POST', `/api/workshops/${id}/start`);
        await new Promise((resolve) => setTimeout(resolve, moment));
        await restart(stage);
        await reaches('ready', moment);
        assert.deepEqual(await held(), [1, 2, 3, 4], 'each seat once');
        const ada = await instructor.join(code, 'Ada');
        assert.equal(await eventualAnswer(ada, 'echo $((6*7))'), '42');
        await instructor.api('POST', `/api/workshops/${id}/stop`);
        await new Promise((resolve) => setTimeout(resolve, moment));
        await restart(stage);
        await reaches('stopped', moment);
        await eventually('nothing is held', async () => (await held()).length === 0);
      }
      await instructor.remove(id);
      assert.deepEqual(await held(), []);
    });
  }
});

async function restartAgent({ one }: WorkerStage): Promise<void> {
  await one.kill();
  await one.start();
}

async function restartServer(stage: WorkerStage): Promise<void> {
  await stage.killServer();
  await stage.startServer();
}
