import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Odehash, SeatId, WorkshopId } from '@clarateach/contract/ids';
import type { SeatRoute } from '@clarateach/gateway/ports';
import { eventually } from '../testing/control-plane.ts';
import { createPreparedSeats } from './prepared-seats.ts';

const SEAT: SeatId = { workshop: 'ws-prepared' as WorkshopId, seat: 1 };
const FREE: SeatRoute = { id: SEAT, endpoint: { kind: 'unix', directory: '/nowhere' }, holder: undefined };

function scene() {
  let route: SeatRoute | undefined;
  let listener = (_id: SeatId) => {};
  let clockMs = 0;
  let signed = 0;
  const errors: unknown[] = [];
  const ended = new Set<string>();
  const prepared = createPreparedSeats({
    routes: {
      find: () => route,
      refresh: async () => route,
      onChange(next) {
        listener = next;
        return () => {};
      },
    },
    issue: async ({ odehash }) => {
      signed += 1;
      return { token: `token-${signed}-${odehash}`, expiresAt: 'later' };
    },
    isHonoured: (token) => !ended.has(token),
    now: () => clockMs,
    onError: (error) => errors.push(error),
  });
  return {
    prepared,
    errors,
    ended,
    signed: () => signed,
    pass: (ms: number) => {
      clockMs += ms;
    },
    put(next: SeatRoute | undefined) {
      route = next;
      listener(SEAT);
    },
    subject: (odehash: Odehash) => ({ workshop: { id: SEAT.workshop }, seat: SEAT.seat, odehash }),
  };
}

describe('a prepared seat', () => {
  test('has its token before it is claimed, and gives it once', async () => {
    const { prepared, put, subject, signed } = scene();
    put(FREE);
    const odehash = await eventually(() => prepared.odehash(SEAT));
    put({ ...FREE, holder: odehash });
    assert.equal(prepared.take(subject(odehash))?.token, `token-1-${odehash}`);
    assert.equal(prepared.take(subject(odehash)), undefined);
    assert.equal(signed(), 1);
    await prepared.close();
  });

  test('keeps a token to itself whose key has been replaced', async () => {
    const { prepared, put, subject, ended } = scene();
    put(FREE);
    const odehash = await eventually(() => prepared.odehash(SEAT));
    ended.add(`token-1-${odehash}`);
    put({ ...FREE, holder: odehash });
    assert.equal(prepared.take(subject(odehash)), undefined);
    await prepared.close();
  });

  test('never gives one learner’s return code to the next', async () => {
    const { prepared, put } = scene();
    put(FREE);
    const first = await eventually(() => prepared.odehash(SEAT));
    put({ ...FREE, holder: first });
    assert.equal(prepared.odehash(SEAT), undefined);
    put(FREE);
    const second = await eventually(() => prepared.odehash(SEAT));
    assert.notEqual(second, first);
    await prepared.close();
  });

  test('gives no token to a learner with another return code, and none that is old', async () => {
    const { prepared, put, subject, pass } = scene();
    put(FREE);
    const odehash = await eventually(() => prepared.odehash(SEAT));
    assert.equal(prepared.take(subject('OTHER' as Odehash)), undefined);
    pass(60 * 60_000);
    assert.equal(prepared.take(subject(odehash)), undefined);
    await prepared.close();
  });

  test('is forgotten with its workshop', async () => {
    const { prepared, put, subject, errors } = scene();
    put(FREE);
    const odehash = await eventually(() => prepared.odehash(SEAT));
    put(undefined);
    assert.equal(prepared.odehash(SEAT), undefined);
    assert.equal(prepared.take(subject(odehash)), undefined);
    assert.deepEqual(errors, []);
    await prepared.close();
  });
});
