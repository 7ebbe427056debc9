import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askSeat, seatFiles } from './seat-files.ts';

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

test('a download comes whole, counts what has come, and ends when it is told to', async (t) => {
  const access = async () => ({ base: '', token: 'T' });
  const abort = new AbortController();
  const seen: (AbortSignal | null | undefined)[] = [];
  t.mock.method(globalThis, 'fetch', async (_: string, { signal }: RequestInit) => {
    seen.push(signal);
    return new Response(new Blob([new Uint8Array([0, 0, 0, 1, 2])]).stream());
  });
  const counts: number[] = [];
  const blob = await seatFiles(access).download('', 'directory', {
    signal: abort.signal,
    onBytes: (bytes) => counts.push(bytes),
  });
  assert.deepEqual([...(await blob.bytes())], [0, 0, 0, 1, 2]);
  assert.equal(counts[0], 5);
  abort.abort();
  assert.equal(seen[0]?.aborted, true, 'the request is the one that is ended');
});
