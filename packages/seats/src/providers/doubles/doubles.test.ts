import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SeatId, WorkshopId } from '@clarateach/contract/ids';
import { ProviderError, type SeatProvider, type SeatSpec } from '../../provider.ts';
import { crashingProvider, fullProvider, instantProvider, neverProvider, slowProvider } from './doubles.ts';

const seat = (number: number): SeatId => ({ workshop: 'ws-doubles0' as WorkshopId, seat: number });
const spec = (number: number): SeatSpec => ({
  id: seat(number),
  env: {},
  limits: { memoryMiB: 512, cpus: 1, processes: 64, openFiles: 256 },
});
const never = new AbortController().signal;
const state = async (provider: SeatProvider, number: number) =>
  (await provider.observe(seat(number), never)).state;

test('an instant seat runs at once, stops with its files, and is forgotten when destroyed', async () => {
  const provider = instantProvider();
  assert.equal(await state(provider, 1), 'absent');
  await provider.ensure(spec(1), never);
  await provider.ensure(spec(1), never);
  assert.equal(await state(provider, 1), 'running');
  assert.equal(provider.starts(seat(1)), 1);
  await provider.stop(seat(1), never);
  assert.equal(await state(provider, 1), 'absent');
  assert.deepEqual(await provider.list(never), [seat(1)]);
  await provider.destroy(seat(1), never);
  assert.deepEqual(await provider.list(never), []);
  assert.equal(provider.files.size, 0);
});

test('a slow seat runs when the clock says so, another never', async () => {
  let now = 0;
  const slow = slowProvider({ now: () => now, startMs: 100 });
  const stuck = neverProvider({ now: () => now });
  await slow.ensure(spec(1), never);
  await stuck.ensure(spec(1), never);
  assert.equal(await state(slow, 1), 'starting');
  now = 100;
  assert.equal(await state(slow, 1), 'running');
  now = 1e9;
  assert.equal(await state(stuck, 1), 'starting');
});

test('a crashing seat exits on its first starts and then stays', async () => {
  let now = 0;
  const provider = crashingProvider({ now: () => now, runsMs: 5, crashes: 2 });
  for (const start of [1, 2, 3]) {
    await provider.ensure(spec(1), never);
    assert.equal(await state(provider, 1), 'running');
    now += 5;
    assert.equal(await state(provider, 1), start < 3 ? 'exited' : 'running');
  }
});

test('a full platform refuses with capacity until a seat goes', async () => {
  const provider = fullProvider({ room: 1 });
  await provider.ensure(spec(1), never);
  await assert.rejects(provider.ensure(spec(2), never), (error) => {
    return error instanceof ProviderError && error.kind === 'capacity';
  });
  await provider.destroy(seat(1), never);
  await provider.ensure(spec(2), never);
});

test('a double fails when told to, honours the signal, and notices two changes of one seat at once', async () => {
  const gate = Promise.withResolvers<void>();
  const provider = instantProvider({
    latency: (verb) => (verb === 'stop' ? gate.promise : Promise.resolve()),
  });
  provider.fail('ensure', new ProviderError('unreachable', 'Nobody is there.'));
  await assert.rejects(provider.ensure(spec(1), never), { kind: 'unreachable' });
  await provider.ensure(spec(1), never);
  const stopping = provider.stop(seat(1), never);
  await assert.rejects(provider.destroy(seat(1), never), /under way/);
  gate.resolve();
  await stopping;
  const reason = new Error('enough');
  await assert.rejects(provider.ensure(spec(1), AbortSignal.abort(reason)), reason);
  provider.vanish(seat(1));
  assert.deepEqual(await provider.list(never), []);
});
