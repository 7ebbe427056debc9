import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type SeatId, seatNumber, workshopId } from '@clarateach/contract/ids';
import { createStaleCopies } from './stale-copies.ts';
import type { Worker } from './worker.ts';

const id = (seat: number): SeatId => ({
  workshop: workshopId.parse('ws-abcd2345'),
  seat: seatNumber.parse(seat),
});

/** A worker that is asked to destroy seats, each of which goes as a test says. */
function scene(destroys: (seat: number) => Promise<void>) {
  let nowMs = 0;
  const asked: number[] = [];
  const errors: string[] = [];
  const closing = new AbortController();
  const home = new Set<number>();
  const worker = {
    address: 'http://10.0.0.5:9090',
    state: 'up',
    call: (signal: AbortSignal, work: (signal: AbortSignal) => Promise<unknown>) => work(signal),
    agent: {
      async destroy({ seat }: SeatId, signal: AbortSignal) {
        asked.push(seat);
        const ended = Promise.withResolvers<never>();
        signal.addEventListener('abort', () => ended.reject(signal.reason));
        await Promise.race([destroys(seat), ended.promise]);
      },
    },
  } as unknown as Worker;
  const copies = createStaleCopies({
    isElsewhere: async ({ seat }) => !home.has(seat),
    now: () => nowMs,
    closing: closing.signal,
    onError: (error) => errors.push(String(error)),
  });
  return {
    ...{ copies, worker, asked, errors, closing, home },
    async beat(...seats: number[]) {
      copies.heard(worker, seats.map(id));
      nowMs += 1_000;
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    },
  };
}

describe('the stale copies of a worker', () => {
  it('go once they were seen twice, and not where the seat has come back meanwhile', async () => {
    const { asked, home, beat } = scene(async () => {});
    await beat(1, 2);
    assert.deepEqual(asked, []);
    home.add(2);
    await beat(1, 2);
    assert.deepEqual(asked, [1]);
    // One that was wanted for a while begins anew.
    await beat();
    await beat(1);
    assert.deepEqual(asked, [1]);
  });

  it('are each on their own: one that hangs and one that fails hold up no other, and no heartbeat', async () => {
    const { copies, asked, errors, closing, beat } = scene((seat) => {
      if (seat === 1) return new Promise(() => {});
      return seat === 2 ? Promise.reject(new Error('the engine says no')) : Promise.resolve();
    });
    await beat(1, 2, 3, 4, 5, 6, 7);
    await beat(1, 2, 3, 4, 5, 6, 7);
    assert.deepEqual(asked, [1, 2, 3, 4, 5, 6, 7]);
    // The one that failed is tried again after a while, and told once.
    for (let second = 0; second < 12; second++) await beat(1, 2);
    assert.deepEqual(asked.slice(7), [2]);
    assert.deepEqual(errors, ['Error: the engine says no']);
    closing.abort();
    await copies.ended();
  });
});
