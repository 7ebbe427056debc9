import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FileChanges } from './file-changes.ts';

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  closed = false;

  close(): void {
    this.closed = true;
    this.onclose?.({ code: 1000 });
  }
}

/** A watch whose sockets are opened by hand; timers fire when the test says so. */
function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const sockets: FakeSocket[] = [];
  class OpenedSocket extends FakeSocket {
    constructor() {
      super();
      sockets.push(this);
    }
  }
  t.mock.property(globalThis, 'WebSocket', OpenedSocket as never);
  const changes = new FileChanges(async () => ({ url: 'ws://seat/files/watch', token: 'T' }));
  const told: string[] = [];
  changes.subscribe((some) => told.push(...some.map(({ path, kind }) => `${kind} ${path}`)));
  const gathered = () => t.mock.timers.tick(80);
  return { changes, sockets, told, gathered };
}

test('changes come one by one, and everything may have changed when the watch begins', async (t) => {
  const { changes, sockets, told, gathered } = setUp(t);
  changes.start();
  await settle();
  sockets[0]?.onopen?.();
  sockets[0]?.onmessage?.({ data: '{"type":"change","path":"a","kind":"modified"}' });
  sockets[0]?.onmessage?.({ data: 'no JSON' });
  gathered();
  assert.deepEqual(told, ['overflow ', 'modified a']);
  changes.close();
});

test('a restart replaces a connection that died unheard, by one and not by several', async (t) => {
  const { changes, sockets, told, gathered } = setUp(t);
  changes.start();
  await settle();
  sockets[0]?.onopen?.();
  gathered();
  changes.start();
  await settle();
  assert.equal(sockets.length, 1, 'one that is there is not replaced');
  changes.restart();
  await settle();
  assert.equal(sockets.length, 2);
  assert.equal(sockets[0]?.closed, true);
  t.mock.timers.tick(20_000);
  await settle();
  assert.equal(sockets.length, 2, 'what was let go of is not tried again');
  told.length = 0;
  sockets[1]?.onopen?.();
  gathered();
  assert.deepEqual(told, ['overflow ']);
  changes.close();
});

test('a lost connection comes back by itself, and a closed one does not', async (t) => {
  const { changes, sockets } = setUp(t);
  changes.start();
  await settle();
  sockets[0]?.onopen?.();
  sockets[0]?.onclose?.({ code: 1006 });
  t.mock.timers.tick(1_000);
  await settle();
  assert.equal(sockets.length, 2);
  changes.close();
  t.mock.timers.tick(20_000);
  await settle();
  assert.equal(sockets.length, 2);
});
