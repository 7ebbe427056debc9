import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeatSession } from '@clarateach/contract/join';
import { ApiError } from '../api/api-error.ts';
import type { SavedSeat } from '../join/saved-seats.ts';
import { SeatLostError, SeatPass } from './seat-pass.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** Times are the server's, from 0. */
const session = (token: string, expiresAt: number, more: { issuedAt?: number; endsAt?: number } = {}) =>
  ({
    token,
    endpoint: '/base',
    seat: 3,
    odehash: 'ABCDE',
    name: 'Ada',
    expiresAt: new Date(expiresAt).toISOString(),
    workshop: { id: 'ws-abcd1234', name: 'Class' },
    ...Object.fromEntries(Object.entries(more).map(([name, at]) => [name, new Date(at).toISOString()])),
  }) as unknown as SeatSession;

function setUp(
  renewal: () => SeatSession,
  join: () => SeatSession = renewal,
  first: Omit<SavedSeat, 'code'> = { session: session('first', 2 * HOUR) },
) {
  const calls: string[] = [];
  const saves: SavedSeat[] = [];
  let now = 0;
  const pass = new SeatPass({
    saved: { code: 'CODE', ...first },
    renew: async (token) => {
      calls.push(`renew ${token}`);
      return renewal();
    },
    join: async ({ code, odehash }) => {
      calls.push(`join ${code} ${odehash}`);
      return join();
    },
    save: (seat) => saves.push(seat),
    now: () => now,
  });
  return {
    pass,
    calls,
    saves,
    at: (ms: number) => {
      now = ms;
    },
  };
}

const refuse = (code: ConstructorParameters<typeof ApiError>[0], status: number) => () => {
  throw new ApiError(code, 'No.', { status });
};

test('a token is used until a minute before its end, then exchanged once for all who ask', async () => {
  const { pass, calls, saves, at } = setUp(() => session('second', 4 * HOUR));
  assert.equal((await pass.fresh()).token, 'first');
  at(2 * HOUR - 30_000);
  const tokens = await Promise.all([pass.fresh(), pass.fresh(), pass.renew()]);
  assert.deepEqual(
    tokens.map(({ token }) => token),
    ['second', 'second', 'second'],
  );
  assert.deepEqual(calls, ['renew first']);
  assert.equal(saves[0]?.session.token, 'second');
});

test('a token too old to exchange is replaced by joining with the return code', async () => {
  const { pass, calls } = setUp(refuse('unauthenticated', 401), () => session('again', 9 * HOUR));
  assert.equal((await pass.renew()).token, 'again');
  assert.deepEqual(calls, ['renew first', 'join CODE ABCDE']);
});

test('a token that is refused before its time is replaced once, for all who were refused', async () => {
  const { pass, calls } = setUp(refuse('unauthenticated', 401), () => session('again', 9 * HOUR));
  const tokens = await Promise.all([pass.insteadOf('first'), pass.insteadOf('first')]);
  assert.deepEqual(
    tokens.map(({ token }) => token),
    ['again', 'again'],
  );
  assert.equal((await pass.insteadOf('first')).token, 'again');
  assert.deepEqual(calls, ['renew first', 'join CODE ABCDE']);
});

test('a removed learner and an ended workshop are told apart', async () => {
  for (const [code, status, loss] of [
    ['removed', 403, 'removed'],
    ['workshop_not_running', 409, 'ended'],
    ['unknown_code', 404, 'ended'],
  ] as const) {
    const { pass } = setUp(refuse(code, status));
    await assert.rejects(pass.renew(), (error) => error instanceof SeatLostError && error.loss === loss);
  }
});

test('a server that is away loses nobody a seat', async () => {
  const { pass } = setUp(refuse('unavailable', 503));
  await assert.rejects(pass.renew(), (error) => error instanceof ApiError && error.code === 'unavailable');
  assert.equal(pass.session.token, 'first');
});

test('a renewal in the background is due after three quarters of what is left', () => {
  const { pass } = setUp(() => session('x', 1));
  assert.equal(pass.renewalDelayMs(), 1.5 * HOUR);
});

test('a clock that goes hours fast or slow renews no more often than one that is right', async () => {
  for (const wrong of [3 * HOUR, -3 * HOUR]) {
    const issued = () => session('second', 4 * HOUR, { issuedAt: 2 * HOUR, endsAt: 3 * HOUR });
    const { pass, calls, at } = setUp(issued, issued, {
      session: session('first', 2 * HOUR, { issuedAt: 0, endsAt: 3 * HOUR }),
      receivedAt: wrong,
    });
    at(wrong);
    assert.equal((await pass.fresh()).token, 'first');
    assert.equal(pass.renewalDelayMs(), 1.5 * HOUR);
    assert.equal(pass.endsInMs(), 3 * HOUR);
    at(wrong + 2 * HOUR);
    assert.equal((await pass.fresh()).token, 'second');
    assert.equal((await pass.fresh()).token, 'second');
    assert.equal(pass.endsInMs(), HOUR);
    assert.deepEqual(calls, ['renew first']);
  }
});

test('a workshop whose end is near is asked every minute whether the end has been moved', async () => {
  const endsAt = HOUR;
  const moved = () => session('moved', 3 * HOUR, { issuedAt: 50 * MINUTE, endsAt: 2 * HOUR });
  const { pass, at } = setUp(moved, moved, { session: session('first', 2 * HOUR, { endsAt }) });
  assert.equal(pass.renewalDelayMs(), 44 * MINUTE);
  at(50 * MINUTE);
  assert.equal(pass.renewalDelayMs(), MINUTE);
  at(61 * MINUTE);
  assert.equal(pass.renewalDelayMs(), MINUTE);
  at(50 * MINUTE);
  await pass.renew();
  assert.equal(pass.endsInMs(), 70 * MINUTE);
  assert.equal(pass.renewalDelayMs(), 54 * MINUTE);
  assert.equal(setUp(moved).pass.endsInMs(), undefined);
});
