import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askSeat } from './seat-files.ts';

test('a request whose token is refused is sent once more with another, and not a third time', async (t) => {
  const sent: string[] = [];
  const access = async (refused?: string) => ({ base: '', token: refused === undefined ? 'old' : 'new' });
  const asked = (good: string) => {
    t.mock.method(globalThis, 'fetch', async (_: string, { headers }: RequestInit) => {
      const token = new Headers(headers).get('Authorization')?.replace('Bearer ', '') ?? '';
      sent.push(token);
      return new Response(null, { status: token === good ? 200 : 401 });
    });
    return askSeat(access, '/files', {});
  };
  assert.equal((await asked('old')).status, 200);
  assert.equal((await asked('new')).status, 200);
  await assert.rejects(asked('neither'), { status: 401 });
  assert.deepEqual(sent, ['old', 'old', 'new', 'old', 'new']);
});
