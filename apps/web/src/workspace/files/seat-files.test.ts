import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSeatToken } from './seat-files.ts';

test('a request whose token is refused is sent once more with another, and not a third time', async () => {
  const sent: string[] = [];
  const access = async (refused?: string) => ({ base: '', token: refused === undefined ? 'old' : 'new' });
  const answered = (...good: string[]) =>
    withSeatToken(access, async ({ token }) => {
      sent.push(token);
      return new Response(null, { status: good.includes(token) ? 200 : 401 });
    });
  assert.equal((await answered('old')).status, 200);
  assert.equal((await answered('new')).status, 200);
  assert.equal((await answered()).status, 401);
  assert.deepEqual(sent, ['old', 'old', 'new', 'old', 'new']);
});
