import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import { addressKey, createAttempts } from './attempts.ts';

function refusedFor(work: () => void): number {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof PublicError && error.code === 'too_many_attempts');
    return error.retryAfterSeconds ?? 0;
  }
  return 0;
}

describe('attempts', () => {
  it('are let through in a burst, then slowly, and each key counts for itself', () => {
    let clock = 0;
    const attempts = createAttempts({ burst: 3, perMinute: 6, now: () => clock });
    for (let i = 0; i < 3; i++) {
      assert.equal(
        refusedFor(() => attempts.check('a')),
        0,
      );
      attempts.count('a');
    }
    assert.equal(
      refusedFor(() => attempts.check('a')),
      10,
    );
    assert.equal(
      refusedFor(() => attempts.check('b')),
      0,
    );
    clock += 9_000;
    assert.equal(
      refusedFor(() => attempts.check('a')),
      1,
    );
    clock += 1_000;
    assert.equal(
      refusedFor(() => attempts.check('a')),
      0,
    );
  });

  it('that succeeded do not count', () => {
    const attempts = createAttempts({ burst: 2, perMinute: 1, now: () => 0 });
    for (let i = 0; i < 500; i++) {
      attempts.check('a');
      attempts.count('a');
      attempts.forgive('a');
    }
  });

  it('under way together are paid for, but never for more than about five minutes', () => {
    const attempts = createAttempts({ burst: 30, perMinute: 30, now: () => 0 });
    for (let i = 0; i < 10_000; i++) attempts.count('a');
    const seconds = refusedFor(() => attempts.check('a'));
    assert.ok(seconds > 290 && seconds < 310, String(seconds));
  });

  it('count the addresses of one IPv6 network as one', () => {
    assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), addressKey('2001:db8:1:2::9'));
    assert.notEqual(addressKey('2001:db8:1:2::9'), addressKey('2001:db8:1:3::9'));
    assert.equal(addressKey('::ffff:192.0.2.7'), '192.0.2.7');
    assert.equal(addressKey('fe80::1%eth0'), 'fe80:0:0:0');
    assert.equal(addressKey('::1'), '0:0:0:0');
  });
});
