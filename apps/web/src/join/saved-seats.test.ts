import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SavedSeat } from './saved-seats.ts';
import { SavedSeats } from './saved-seats.ts';

const seat = {
  code: 'ABCDEF',
  session: {
    token: 't',
    endpoint: '/e',
    odehash: 'ABCDE',
    seat: 3,
    workshop: { id: 'ws-abcd1234', name: 'C' },
  },
} as unknown as SavedSeat;

/** As it is found again: with the time at which it came. */
const kept = { ...seat, receivedAt: 7 };

function storage() {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
}

test('a seat is found again by its workshop, also after a reload', () => {
  const browser = storage();
  new SavedSeats(browser, () => 7).save(seat);
  assert.deepEqual(new SavedSeats(browser, () => 7).find('ws-abcd1234'), kept);
  assert.equal(new SavedSeats(browser, () => 7).find('ws-other000'), undefined);
});

test('damaged storage counts as empty, and blocked storage lasts as long as the page', () => {
  const browser = storage();
  for (const damaged of ['{', '{}', '{"code":1}', 'null']) {
    browser.kept.set('clarateach.seat.ws-abcd1234', damaged);
    assert.equal(new SavedSeats(browser, () => 7).find('ws-abcd1234'), undefined);
  }
  const blocked = () => {
    throw new Error('blocked');
  };
  const seats = new SavedSeats({ getItem: blocked, setItem: blocked }, () => 7);
  seats.save(seat);
  assert.deepEqual(seats.find('ws-abcd1234'), kept);
});
