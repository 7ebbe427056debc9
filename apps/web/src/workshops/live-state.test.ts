import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeatView, WorkshopDetails } from '@clarateach/contract/workshop';
import { applyEvent, countSeats } from './live-state.ts';

const seat = (number: number, phase: SeatView['phase']): SeatView => ({
  seat: number,
  phase,
  reason: '',
  movesAt: null,
  attempts: 0,
  learner: null,
});

const details = {
  name: 'Class',
  phase: 'starting',
  readySeats: 0,
  image: null,
  entry: 'open',
  ownerId: 'u1',
  hasApiKey: false,
  injectApiKey: false,
  seats: [seat(1, 'starting'), seat(2, 'starting')],
} as unknown as WorkshopDetails;

test('a seat event replaces that seat and keeps the order', () => {
  const next = applyEvent(details, { type: 'seat', seat: seat(1, 'ready') });
  assert.deepEqual(
    next?.seats.map(({ seat: number, phase }) => [number, phase]),
    [
      [1, 'ready'],
      [2, 'starting'],
    ],
  );
});

test('a workshop event changes the summary and keeps the seats', () => {
  const { seats: _, ...summary } = { ...details, phase: 'ready' as const };
  const next = applyEvent(details, { type: 'workshop', workshop: summary });
  assert.equal(next?.phase, 'ready');
  assert.equal(next?.seats.length, 2);
});

test('deleted ends it, and an event of a newer server is passed over', () => {
  assert.equal(applyEvent(details, { type: 'deleted' }), null);
  assert.equal(applyEvent(details, { type: 'weather' } as never), details);
});

test('free and occupied seats both count as ready', () => {
  const seats = [seat(1, 'ready'), seat(2, 'occupied'), seat(3, 'failed'), seat(4, 'starting')];
  assert.deepEqual(countSeats({ ...details, seats }), { total: 4, ready: 2, occupied: 1, failed: 1 });
});
