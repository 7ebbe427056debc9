import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TokenScope } from '@clarateach/contract/account';
import type { Caller as CallerKind } from '@clarateach/contract/api';
import type { People, Person } from '../people/people.ts';
import type { SeatTokens } from '../tokens/seat-tokens.ts';
import { identifyCaller, type RequestContext } from './callers.ts';
import { createOrigins } from './origins.ts';

const instructor: Person = {
  userId: 'u1',
  role: 'instructor',
  via: { kind: 'session', token: 't', byLink: false },
  cookies: ['refreshed=1'],
};

function identify(
  caller: string,
  person: Person | undefined,
  headers: RequestContext['headers'] = {},
  scope?: TokenScope,
) {
  const answer: RequestContext['answer'] = { cookies: [] };
  const context: RequestContext = {
    method: 'POST',
    headers,
    address: '192.0.2.1',
    closing: new AbortController().signal,
    answer,
  };
  const found = identifyCaller({
    people: { authenticate: async () => person } as unknown as People,
    seatTokens: { verifyForRenewal: (token: string) => ({ token }) } as unknown as SeatTokens,
    origins: createOrigins({ publicUrl: 'http://localhost:8080', guessed: true, others: [] }),
  })({ meta: { caller: caller as CallerKind, ...(scope ? { scope } : {}) } }, context, undefined);
  return { found, answer };
}

describe('the caller of a procedure', () => {
  it('is refused where nobody said who may call', async () => {
    await assert.rejects(identify('nobody-thought-of-it', instructor).found, { code: 'forbidden' });
    await assert.rejects(identify('', instructor).found, { code: 'forbidden' });
  });

  it('has to be signed in for what instructors do, and an admin for what admins do', async () => {
    await assert.rejects(identify('instructor', undefined).found, { code: 'unauthenticated' });
    await assert.rejects(identify('admin', undefined).found, { code: 'unauthenticated' });
    await assert.rejects(identify('admin', instructor).found, { code: 'forbidden' });
    const { found, answer } = identify('instructor', instructor);
    assert.deepEqual(await found, { kind: 'person', person: instructor });
    assert.deepEqual(answer.cookies, ['refreshed=1']);
    assert.equal((await identify('admin', { ...instructor, role: 'admin' }).found).kind, 'person');
  });

  it('may be a page of another site only with a token, which no browser sends by itself', async () => {
    const headers = { host: 'localhost:8080', origin: 'https://evil.example.org' };
    await assert.rejects(identify('instructor', instructor, headers).found, { code: 'foreign_origin' });
    const program: Person = {
      ...instructor,
      via: { kind: 'api-token', id: 'x', scopes: ['workshops:read'], expiresAt: null },
    };
    assert.equal((await identify('instructor', program, headers, 'workshops:read').found).kind, 'person');
  });

  it('with an API token needs the scope that the procedure names, and one that names none takes no token', async () => {
    const token = (scopes: readonly TokenScope[], role: Person['role'] = 'admin'): Person => ({
      ...instructor,
      role,
      via: { kind: 'api-token', id: 'x', scopes, expiresAt: null },
    });
    const scopes = ['workshops:read', 'workshops:write', 'account', 'admin'] as const;
    await assert.rejects(identify('instructor', token(scopes)).found, { code: 'forbidden' });
    await assert.rejects(identify('admin', token(scopes)).found, { code: 'forbidden' });
    for (const scope of scopes) {
      for (const held of scopes) {
        const { found } = identify('instructor', token([held]), {}, scope);
        if (held === scope || (held === 'workshops:write' && scope === 'workshops:read')) await found;
        else await assert.rejects(found, { code: 'forbidden' });
      }
    }
    await assert.rejects(identify('admin', token(scopes, 'instructor'), {}, 'admin').found, {
      code: 'forbidden',
    });
    assert.equal((await identify('admin', token(['admin']), {}, 'admin').found).kind, 'person');
  });

  it('shows a seat token where learners call', async () => {
    await assert.rejects(identify('learner', undefined).found, { code: 'unauthenticated' });
    const { found } = identify('learner', undefined, { authorization: 'Bearer seat.token.here' });
    const caller = await found;
    assert.ok(caller.kind === 'learner');
    assert.deepEqual(caller.claims, { token: 'seat.token.here' });
    caller.verifyAgain();
  });
});
