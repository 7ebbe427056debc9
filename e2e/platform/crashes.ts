import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openTerminal, seatAddress } from '@clarateach/bench/terminal';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { canRunSeats } from './can-run.ts';
import { answer, eventualAnswer, rejoin } from './learner.ts';
import { eventually, firstInstructor, newInstallation, type SeatRuntime } from './up.ts';

/** VMs in software take a processor each while they start. */
const SEATS = { local: 3, docker: 3, firecracker: 2 };
/** Milliseconds after a start was asked at which the server is killed: before, while and after seats come up. */
const MOMENTS = [0, 60, 250, 1_000];
/** VMs may run in software here. */
const CONVERGES_MS = 240_000;

/** Registers the tests of a server that is killed, and of its seats. */
export function crashes(runtime: SeatRuntime): void {
  describe(`on ${runtime}`, canRunSeats(runtime), () => {
    test('a server killed at any moment goes on where it was, and leaves nothing over', async () => {
      await using installation = await newInstallation(runtime);
      let running = await installation.up();
      const instructor = await firstInstructor(installation, running);
      const { id, code } = await instructor.api<WorkshopDetails>('POST', '/api/workshops', {
        name: 'Crash',
        seats: SEATS[runtime],
      });
      const killedAfter = async (moment: number, phase: WorkshopDetails['phase']) => {
        await new Promise((resolve) => setTimeout(resolve, moment));
        await running.kill();
        running = await installation.up();
        const reached = async () =>
          (await instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`)).phase === phase;
        await eventually(`${phase} after a kill at ${moment} ms`, reached, CONVERGES_MS);
      };

      for (const moment of MOMENTS) {
        await instructor.api('POST', `/api/workshops/${id}/start`);
        await killedAfter(moment, 'ready');
        const ada = await instructor.join(code, 'Ada');
        assert.equal(await eventualAnswer(ada, 'echo $((6*7))'), '42');
        await instructor.api('POST', `/api/workshops/${id}/stop`);
        await killedAfter(moment, 'stopped');
      }

      await instructor.remove(id);
      assert.equal(await running.stop(), 0);
      assert.deepEqual(await installation.leftBehind(), []);
    });

    test('a killed server finds its seats alive: same shell, same files, same learners', async () => {
      await using installation = await newInstallation(runtime);
      let running = await installation.up();
      const instructor = await firstInstructor(installation, running);
      const { id, code } = await instructor.workshop(2);
      const ada = await instructor.join(code, 'Ada');
      await answer(ada, 'MARK=alive; echo kept > kept.txt');
      await running.kill();
      running = await installation.up();
      const back = await rejoin(instructor, code, ada);
      assert.deepEqual([back.seat, back.odehash, back.returning], [ada.seat, ada.odehash, true]);
      assert.equal(await eventualAnswer(back, 'echo "$MARK $(cat kept.txt)"'), 'alive kept');

      // Ctrl-C stops the seats and keeps their files; the next start brings both back.
      assert.equal(await running.stop(), 0);
      assert.deepEqual(
        (await installation.leftBehind()).filter((name) => !name.startsWith('volume ')),
        [],
      );
      running = await installation.up();
      const again = await rejoin(instructor, code, ada);
      assert.equal(await eventualAnswer(again, 'echo "$MARK$(cat kept.txt)"'), 'kept');

      await instructor.remove(id);
      assert.equal(await running.stop(), 0);
      assert.deepEqual(await installation.leftBehind(), []);
    });

    test('a seat whose processes are killed comes back with its files', async () => {
      await using installation = await newInstallation(runtime);
      const running = await installation.up();
      const instructor = await firstInstructor(installation, running);
      const { id, code } = await instructor.workshop(1);
      const ada = await instructor.join(code, 'Ada');
      await answer(ada, 'MARK=alive; echo kept > kept.txt');
      const terminal = await openTerminal(seatAddress(ada));
      terminal.write('kill -9 -1\r');
      await eventually('a new shell finds the old file', async () => {
        const session = await rejoin(instructor, code, ada);
        return (await answer(session, 'echo "$MARK$(cat kept.txt)"').catch(() => '')) === 'kept';
      });
      await terminal.close();
      await instructor.remove(id);
      assert.equal(await running.stop(), 0);
      assert.deepEqual(await installation.leftBehind(), []);
    });
  });
}
