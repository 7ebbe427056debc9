import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { ErrorBody } from '@clarateach/contract/errors';
import type { SeatSession } from '@clarateach/contract/join';
import { type TestServer, testServer } from '../testing/server.ts';

describe('joining behind one address', () => {
  let server: TestServer;
  let code: string;
  before(async () => {
    server = await testServer({ env: { TRUST_PROXY: 'true', LOG_LEVEL: 'error' } });
    ({ code } = await server.createWorkshop(await server.signedIn(server.signInUrl ?? ''), { seats: 60 }));
  });
  after(() => server.close());

  const join = (body: object, address = '192.0.2.1') =>
    server.anyone.request('POST', '/api/join', { name: 'Ann', ...body }, { 'x-forwarded-for': address });

  it('500 at once with the right code are never slowed, and 60 get a seat each', async () => {
    const answers = await Promise.all(Array.from({ length: 500 }, () => join({ code })));
    const seats = new Set<number>();
    let full = 0;
    for (const answer of answers) {
      const body = (await answer.json()) as SeatSession & ErrorBody;
      if (answer.status === 200) seats.add(body.seat);
      else if (body.error.code === 'workshop_full' && answer.status === 409) full++;
      else assert.fail(`${answer.status} ${JSON.stringify(body)}`);
    }
    assert.deepEqual([seats.size, full], [60, 440]);
  });

  it('wrong codes are refused after thirty, without a word on whether the next is right', async () => {
    const guess = async (guessed: string, address: string) => {
      const answer = await join({ code: guessed }, address);
      const { error } = (await answer.json()) as ErrorBody;
      return { status: answer.status, code: error.code, retryAfter: answer.headers.get('retry-after') };
    };
    for (let i = 0; i < 30; i++) assert.equal((await guess(`WRONG${i}`, '192.0.2.2')).code, 'unknown_code');
    const slowed = await guess(code, '192.0.2.2');
    assert.deepEqual([slowed.status, slowed.code], [429, 'too_many_attempts']);
    assert.ok(Number(slowed.retryAfter) >= 1);
    const page = await server.anyone.request('GET', `/api/session/${code}`, undefined, {
      'x-forwarded-for': '192.0.2.2',
    });
    assert.equal(page.status, 429);
    assert.equal((await guess(code, '192.0.2.3')).code, 'workshop_full');
  });
});
