import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Instructor } from '@clarateach/bench/platform';
import { openTerminal, seatAddress } from '@clarateach/bench/terminal';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { canRunSeats } from './platform/can-run.ts';
import { eventually, firstInstructor, newInstallation, type SeatRuntime } from './platform/up.ts';

const SEATS = 3;
/** Milliseconds after a start was asked at which the server is killed: before, while and after seats come up. */
const MOMENTS = [0, 60, 250, 1_000];

for (const runtime of ['local', 'docker'] satisfies SeatRuntime[]) {
  describe(`on ${runtime}`, canRunSeats(runtime), () => {
    test('a server killed at any moment goes on where it was, and leaves nothing over', async () => {
      const installation = await newInstallation(runtime);
      let running = await installation.up();
      const instructor = await firstInstructor(installation, running);
      const show = (id: string) => instructor.api<WorkshopDetails>('GET', `/api/workshops/${id}`);
      const { id, code } = await instructor.api<WorkshopDetails>('POST', '/api/workshops', {
        name: 'Crash',
        seats: SEATS,
      });

      for (const moment of MOMENTS) {
        await instructor.api('POST', `/api/workshops/${id}/start`);
        await new Promise((resolve) => setTimeout(resolve, moment));
        await running.kill();
        running = await installation.up();
        await eventually(
          `ready after a kill at ${moment} ms`,
          async () => (await show(id)).phase === 'ready',
          60_000,
        );
        const ada = await instructor.join(code, 'Ada');
        assert.equal(await answer(ada, 'echo $((6*7))'), '42');
        await instructor.api('POST', `/api/workshops/${id}/stop`);
        await new Promise((resolve) => setTimeout(resolve, moment));
        await running.kill();
        running = await installation.up();
        await eventually(
          `stopped after a kill at ${moment} ms`,
          async () => (await show(id)).phase === 'stopped',
          60_000,
        );
      }

      await instructor.remove(id);
      assert.equal(await running.stop(), 0);
      assert.deepEqual(await installation.leftBehind(), []);
      await installation.remove();
    });

    test('a killed server finds its seats alive: same shell, same files, same learners', async () => {
      const installation = await newInstallation(runtime);
      let running = await installation.up();
      const instructor = await firstInstructor(installation, running);
      const { id, code } = await instructor.workshop(2);
      const ada = await instructor.join(code, 'Ada');
      await answer(ada, 'MARK=alive; echo kept > kept.txt; echo done');
      await running.kill();
      running = await installation.up();
      const back = await rejoin(instructor, code, ada);
      assert.deepEqual([back.seat, back.odehash, back.returning], [ada.seat, ada.odehash, true]);
      assert.equal(await answer(back, 'echo "$MARK $(cat kept.txt)"'), 'alive kept');

      // Ctrl-C stops the seats and keeps their files; the next start brings both back.
      assert.equal(await running.stop(), 0);
      assert.deepEqual(
        (await installation.leftBehind()).filter((name) => !name.startsWith('volume ')),
        [],
      );
      running = await installation.up();
      const again = await rejoin(instructor, code, ada);
      assert.equal(await answer(again, 'cat kept.txt'), 'kept');

      await instructor.remove(id);
      assert.equal(await running.stop(), 0);
      assert.deepEqual(await installation.leftBehind(), []);
      await installation.remove();
    });

    test('a seat whose processes are killed comes back with its files', async () => {
      const installation = await newInstallation(runtime);
      const running = await installation.up();
      const instructor = await firstInstructor(installation, running);
      const { id, code } = await instructor.workshop(1);
      const ada = await instructor.join(code, 'Ada');
      await answer(ada, 'echo kept > kept.txt; echo done');
      await answer(ada, 'echo going; kill -9 -1 2>/dev/null; kill -9 $PPID', 'going').catch(() => undefined);
      await eventually('the file is there again', async () => {
        const session = await rejoin(instructor, code, ada).catch(() => undefined);
        return session !== undefined && (await answer(session, 'cat kept.txt').catch(() => '')) === 'kept';
      });
      await instructor.remove(id);
      assert.equal(await running.stop(), 0);
      assert.deepEqual(await installation.leftBehind(), []);
      await installation.remove();
    });
  });
}

/** Runs a command in the learner's shell and gives the first line that it prints. */
async function answer(session: SeatSession, command: string, expected?: string): Promise<string> {
  const terminal = await openTerminal(seatAddress(session), { cols: 200, rows: 30 });
  try {
    const mark = Math.random().toString(36).slice(2);
    let text = '';
    const done = terminal.until((chunk) => {
      text += chunk.toString();
      return expected ? text.includes(expected) : text.includes(`${mark}:end`);
    });
    terminal.write(
      `clear; printf '%s%s' ${mark} :; { ${command}; } | head -n 1 | tr -d '\\n'; printf '%s%s\\n' ${mark} :end\r`,
    );
    await withDeadline(done, 15_000);
    return text.split(`${mark}:`).at(-2)?.split(mark)[0] ?? '';
  } finally {
    await terminal.close();
  }
}

async function withDeadline<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('The terminal did not answer in time.')), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function rejoin(
  { api }: Instructor,
  code: string,
  { odehash, name }: SeatSession,
): Promise<SeatSession> {
  let session: SeatSession | undefined;
  await eventually('the learner is let in again', async () => {
    session = await api<SeatSession>('POST', '/api/join', { code, name, odehash }).catch(() => undefined);
    return session !== undefined;
  });
  return session as SeatSession;
}
