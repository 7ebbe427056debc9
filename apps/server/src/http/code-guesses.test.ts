import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CODE_ALPHABET } from '@clarateach/contract/codes';
import { MAX_REGISTRATIONS } from '@clarateach/contract/entry';
import { PublicError } from '@clarateach/contract/errors';
import { ACCESS_CODE_LENGTH } from '../entry/store.ts';
import { ODEHASH_LENGTH } from '../join/claims.ts';
import { JOIN_CODE_LENGTH } from '../workshops/make-workshop.ts';
import { createCodeGuesses, GUESSES, WHILE_SLOWED } from './code-guesses.ts';

const SCHOOL = '192.0.2.1';
const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

function door(right: string, clock = { ms: 0 }) {
  const guesses = createCodeGuesses({ now: () => clock.ms });
  /** What somebody is told, and whether the code was compared at all. */
  const attempt = async (
    code: string,
    more: { address?: string; newcomer?: boolean; proves?: () => Promise<boolean> } = {},
  ) => {
    try {
      await guesses.guard({ address: SCHOOL, code, ...more }, async () => {
        if (code !== right) throw new PublicError('unknown_code', 'No.');
      });
      return 'in';
    } catch (error) {
      return (error as PublicError).code;
    }
  };
  const slow = async () => {
    for (let i = 0; i < GUESSES.burst; i++) await attempt(`WRONG${i}`);
    assert.equal(await attempt('WRONG'), 'too_many_attempts');
  };
  return { guesses, attempt, slow, clock };
}

describe('the limit on wrong codes', () => {
  it('does not count right ones, however many come from one address', async () => {
    const { attempt } = door('CLASS');
    for (let i = 0; i < 500; i++) assert.equal(await attempt('CLASS'), 'in');
  });

  it('lets the class in whose code was right there, while a guesser behind the same address is slowed', async () => {
    const { attempt, slow } = door('CLASS');
    await attempt('CLASS');
    await slow();
    for (let i = 0; i < 60; i++) {
      assert.equal(await attempt('CLASS'), 'in');
      assert.equal(await attempt('WRONG'), 'too_many_attempts');
    }
    assert.equal(await attempt('CLASS2'), 'too_many_attempts');
  });

  it('lets the class in where its instructor is, though no learner came before the guesser', async () => {
    const { attempt, slow, guesses } = door('CLASS');
    guesses.know(SCHOOL, 'class');
    await slow();
    assert.equal(await attempt('CLASS'), 'in');
  });

  it('refuses a right code like a wrong one where nobody was told of it', async () => {
    const { attempt, slow } = door('CLASS');
    assert.equal(await attempt('CLASS', { address: '198.51.100.7' }), 'in');
    await slow();
    assert.equal(await attempt('CLASS'), 'too_many_attempts');
  });

  it('forgets what was right there after half a day', async () => {
    const { attempt, slow, clock } = door('CLASS');
    await attempt('CLASS');
    clock.ms += 12 * 60 * MINUTE_MS;
    await slow();
    assert.equal(await attempt('CLASS'), 'too_many_attempts');
  });

  it('lets in who shows more than a join code, and asks so only of as many as a class', async () => {
    const { attempt, slow } = door('CLASS');
    await slow();
    let asked = 0;
    const proves = async () => {
      asked += 1;
      return asked % 2 === 1;
    };
    assert.equal(await attempt('CLASS', { proves }), 'in');
    assert.equal(await attempt('CLASS', { newcomer: false, proves }), 'too_many_attempts');
    for (let i = 0; i < 2 * WHILE_SLOWED.burst; i++) await attempt('OTHER', { proves: async () => false });
    assert.equal(await attempt('CLASS', { proves }), 'too_many_attempts');
    assert.equal(asked, 2);
  });

  it('does not let a known join code help to guess return codes', async () => {
    const { attempt, slow } = door('CLASS');
    await attempt('CLASS');
    await slow();
    assert.equal(await attempt('CLASS', { newcomer: false }), 'too_many_attempts');
  });
});

describe('guessing', () => {
  /** Codes that one address gets compared in an hour of asking as fast as it can. */
  const inAnHour = async (prove: boolean): Promise<number> => {
    const { guesses, clock } = door('');
    let compared = 0;
    const attempt = () =>
      guesses
        .guard(
          {
            address: SCHOOL,
            code: 'GUESS',
            ...(prove
              ? {
                  proves: async () => {
                    compared += 1;
                    return false;
                  },
                }
              : {}),
          },
          async () => {
            compared += 1;
            throw new PublicError('unknown_code', 'No.');
          },
        )
        .catch(() => {});
    // Every second, one try more than was let through the second before.
    for (let second = 0; second < 60 * 60; second++) {
      clock.ms += 1_000;
      for (let before = -1; before !== compared; ) {
        before = compared;
        await attempt();
      }
    }
    return compared;
  };
  const codes = (length: number) => CODE_ALPHABET.length ** length;

  it('a join code takes one address more than ten years on average', async () => {
    const tries = await inAnHour(false);
    assert.ok(tries <= GUESSES.burst + GUESSES.perMinute * 60, `${tries} tries an hour`);
    assert.ok(tries > 0.9 * GUESSES.perMinute * 60, `${tries} tries an hour`);
    const days = codes(JOIN_CODE_LENGTH) / 2 / (tries * 24);
    assert.ok(days > 10 * 365, `${days} days`);
  });

  it('an access code of the largest list, or a return code of the largest class, takes decades', async () => {
    const tries = await inAnHour(true);
    const most = GUESSES.burst + WHILE_SLOWED.burst + (GUESSES.perMinute + WHILE_SLOWED.perMinute) * 60;
    assert.ok(tries <= most, `${tries} tries an hour`);
    const years = (length: number, hits: number) => codes(length) / hits / 2 / (most * 24) / 365;
    assert.ok(years(ACCESS_CODE_LENGTH, MAX_REGISTRATIONS) > 100);
    assert.ok(years(JOIN_CODE_LENGTH + ODEHASH_LENGTH, 500) > 1e6);
    // With the join code known, as it is in the room, a return code alone is guessed at the slow rate.
    const slow = GUESSES.perMinute * DAY_MINUTES;
    assert.ok(codes(ODEHASH_LENGTH) / 60 / 2 / slow / 365 > 100);
  });

  it('codes are made of letters that nobody mistakes for others', () => {
    assert.equal(new Set(CODE_ALPHABET).size, 28);
    for (const letter of 'IL1O0U89') assert.ok(!CODE_ALPHABET.includes(letter), letter);
  });
});
