import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { SeatLimits } from '../../provider.ts';
import { Addresses, parseBridgeAddress } from './addresses.ts';
import { VmNetwork } from './network.ts';
import { type PoolGuest, WarmPool } from './warm-pool.ts';

const SIZE = 3;
const REFILL_MS = 1_000;
const IDLE_MS = 600_000;
const limits = (memoryMiB: number) => ({ memoryMiB, cpus: 1, processes: 256, openFiles: 2048 });
const wanted = (memoryMiB: number, more: Partial<SeatLimits> = {}) => ({
  shape: {
    images: { kernel: '/kernel', initrd: '/initrd', rootfs: '/rootfs' },
    memoryMiB,
    cpus: 1,
    changesBytes: 0,
    workspaceBytes: 0,
  },
  limits: { ...limits(memoryMiB), ...more },
});

/** Time that passes only when it is told to. */
class Clock {
  #now = 0;
  #due: { at: number; work: () => void } | undefined;

  now = (): number => this.#now;

  after = (ms: number, work: () => void) => {
    assert.equal(this.#due, undefined, 'the pool waits for one thing at a time');
    const due = { at: this.#now + ms, work };
    this.#due = due;
    return () => {
      if (this.#due === due) this.#due = undefined;
    };
  };

  /** Lets so much time pass, with all that falls due, and what follows from it. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      // The pool asks for its next step when it has done the last, which takes files of this machine.
      for (let turns = 0; this.#due === undefined && turns < 10_000; turns += 1) await turn();
      const due = this.#due;
      if (due === undefined || due.at > end) break;
      this.#now = due.at;
      this.#due = undefined;
      due.work();
    }
    this.#now = end;
  }
}

interface Start {
  readonly at: number;
  readonly name: string;
  readonly address: string;
}

async function openPool(installation = 'one') {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'clarateach-pool-'));
  const clock = new Clock();
  const network = new VmNetwork({ installation, stateDirectory, bridge: undefined });
  const addresses = new Addresses(join(stateDirectory, 'addresses'));
  const bridge = { name: 'none', address: '10.9.0.1/24', network: parseBridgeAddress('10.9.0.1/24') };
  const starts: Start[] = [];
  const ended: string[] = [];
  const killed: string[] = [];
  const stage = { busy: false, failure: undefined as Error | undefined };
  const reports: string[] = [];
  const pool = new WarmPool({
    vmm: { state: async () => ({ state: 'running' }), kill: async (each) => void killed.push(each) },
    saved: { use: (_shape, work) => work({ memory: '/memory', state: '/state' }) },
    network: {
      bridge: async () => bridge,
      seat: (address) => network.seat(address),
      detach: async (address) => void ended.push(address),
    },
    addresses,
    stateDirectory,
    size: SIZE,
    start: async ({ name, address }: PoolGuest) => {
      if (stage.failure) throw stage.failure;
      starts.push({ at: clock.now(), name, address });
    },
    isBusy: () => stage.busy,
    report: (line) => reports.push(line),
    refillEveryMs: REFILL_MS,
    idleMs: IDLE_MS,
    clock,
  });
  return {
    ...{ pool, clock, addresses, starts, ended, killed, stage, reports, stateDirectory },
    async [Symbol.asyncDispose]() {
      await pool.close();
      assert.deepEqual(await addresses.all(), new Map(), 'no address is left');
      await rm(stateDirectory, { recursive: true, force: true });
    },
  };
}

test('a pool is refilled one guest at a time, at its rate, and not while seats are started', async () => {
  await using scene = await openPool();
  const { pool, clock, starts, stage } = scene;
  await clock.pass(60_000);
  assert.deepEqual([starts.length, pool.counts], [0, { ready: 0, wanted: 0 }], 'nobody has asked yet');

  assert.equal(await pool.take(wanted(512)), undefined);
  assert.deepEqual(pool.counts, { ready: 0, wanted: SIZE });
  await clock.pass(REFILL_MS * 10);
  assert.equal(starts.length, SIZE);
  const gaps = starts.slice(1).map(({ at }, index) => at - (starts[index]?.at ?? 0));
  assert.ok(
    gaps.every((gap) => gap >= REFILL_MS),
    `${gaps}`,
  );
  assert.deepEqual(pool.counts, { ready: SIZE, wanted: SIZE });

  const first = await pool.take(wanted(512));
  await clock.pass(REFILL_MS * 2);
  assert.equal(starts.length, SIZE + 1, 'the next comes soon after one was taken');

  // A class comes: what was ready goes at once, and comes back at the same rate.
  stage.busy = true;
  const taken = [await pool.take(wanted(512)), await pool.take(wanted(512)), await pool.take(wanted(512))];
  assert.equal(new Set(taken).size, SIZE);
  assert.equal(await pool.take(wanted(512)), undefined, 'no guest is given twice');
  await clock.pass(REFILL_MS * 10);
  assert.equal(starts.length, SIZE + 1, 'seats that somebody waits for come first');
  stage.busy = false;
  const before = clock.now();
  await clock.pass(REFILL_MS * 2);
  assert.ok(starts.length - SIZE <= 3, `${starts.length - SIZE} in two steps from ${before}`);
  await clock.pass(REFILL_MS * 5);
  assert.equal(starts.length, SIZE * 2 + 1);
  for (const [index, address] of [first, ...taken].entries()) {
    assert.ok(address !== undefined);
    const seat = { workshop: 'ws-00000000' as WorkshopId, seat: index + 1 };
    await scene.addresses.give(address, seat);
    await scene.addresses.release(seat);
  }
});

test('a pool shrinks when no seat is asked for, one guest at a time, and comes back with the next', async () => {
  await using scene = await openPool();
  const { pool, clock, starts, ended } = scene;
  await pool.take(wanted(512));
  await clock.pass(REFILL_MS * 10);
  assert.deepEqual(pool.counts, { ready: SIZE, wanted: SIZE });
  await clock.pass(IDLE_MS + 70_000);
  assert.deepEqual(pool.counts, { ready: 0, wanted: 0 });
  assert.deepEqual(new Set(ended), new Set(starts.map(({ address }) => address)));

  assert.equal(await pool.take(wanted(512)), undefined);
  await clock.pass(IDLE_MS);
  assert.equal(starts.length, SIZE * 2);
});

test('guests of a kind that nobody wants any more make room for those that are wanted', async () => {
  await using scene = await openPool();
  const { pool, clock, starts, ended } = scene;
  await pool.take(wanted(512));
  await clock.pass(REFILL_MS * 10);
  const fewer = wanted(512, { processes: 64 });
  assert.equal(await pool.take(fewer), undefined, 'programs that run keep the limits of their start');
  assert.equal(await pool.take(wanted(1_024)), undefined, 'a guest of another shape is not the seat’s');
  await clock.pass(60_000 + REFILL_MS * 20);
  assert.deepEqual([ended.length, starts.length], [SIZE, SIZE * 2]);
  assert.ok((await pool.take(wanted(1_024))) !== undefined);
  await pool.close();
  // The one that was taken is its seat's.
  const [left] = await scene.addresses.all();
  await scene.addresses.releaseFrom('warm', left?.[0] ?? '');
});

test('no two guests bear one name, of one installation or of two, nor the name of one that a seat took', async () => {
  await using one = await openPool('one');
  await using two = await openPool('two');
  for (const { pool } of [one, two]) await pool.take(wanted(512));
  for (const { clock } of [one, two]) await clock.pass(REFILL_MS * 10);
  const taken = await one.pool.take(wanted(512));
  await one.clock.pass(70_000);
  const names = [...one.starts, ...two.starts].map(({ name }) => name);
  assert.equal(names.length, SIZE * 2 + 1);
  assert.equal(new Set(names).size, names.length, names.join());
  // Firecracker's jailer takes such names, and no others.
  for (const name of names) assert.match(name, /^clarateach-warm-[a-zA-Z0-9-]{1,40}$/);
  await one.addresses.releaseFrom('warm', taken ?? '');
});

test('a guest that could not be given whole ends, and its address goes on as the seat’s that has it', async () => {
  await using scene = await openPool();
  const { pool, clock, addresses, ended, killed, stateDirectory } = scene;
  await pool.take(wanted(512));
  await clock.pass(REFILL_MS * 10);
  const seat = { workshop: 'ws-00000000' as WorkshopId, seat: 1 };
  const runOf = (address: string) => join(stateDirectory, 'warm', address, 'run');

  const given = (await pool.take(wanted(512))) ?? '';
  await mkdir(runOf(given), { recursive: true });
  // The disk that it has is not there: after the address, before all else.
  await assert.rejects(pool.give(given, seat, join(stateDirectory, 'seat')), /ENOENT/);
  await pool.giveUp(given);
  assert.deepEqual(killed, [runOf(given)]);
  assert.equal(ended.length, 0, 'the seat may be at that address already');
  assert.equal(await addresses.of(seat), given);
  assert.deepEqual(await readdir(join(stateDirectory, 'warm')), []);

  const kept = (await pool.take(wanted(512))) ?? '';
  await pool.giveUp(kept);
  assert.deepEqual(ended, [kept], 'one that nobody had has nothing left');
  assert.equal((await addresses.all()).has(kept), false);

  // What a server leaves that was killed amid it, the next one ends in the same way.
  await mkdir(runOf(given), { recursive: true });
  await pool.adopt();
  assert.equal(killed.filter((directory) => directory === runOf(given)).length, 2);
  assert.equal(ended.includes(given), false);
  assert.equal(await addresses.of(seat), given);
  await addresses.release(seat);
});

test('a failure is reported, holds nothing, and is tried again', async () => {
  await using scene = await openPool();
  const { pool, clock, starts, stage, reports, addresses } = scene;
  stage.failure = new Error('the machine is full');
  await pool.take(wanted(512));
  await clock.pass(REFILL_MS * 5);
  assert.equal(await pool.take(wanted(512)), undefined);
  await clock.pass(REFILL_MS * 5);
  assert.equal(reports.length, 1, 'not again as soon as somebody asks');
  assert.match(reports[0] ?? '', /the machine is full/);
  assert.deepEqual(await addresses.all(), new Map());
  stage.failure = undefined;
  await clock.pass(70_000);
  assert.equal(starts.length, SIZE);
});
