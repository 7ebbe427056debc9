import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { WorkshopEvent } from '@clarateach/contract/workshop';
import { eachDatabase } from '../store/testing.ts';
import {
  type ControlPlane,
  eventually,
  insertOwner,
  openStage,
  type Stage,
} from '../testing/control-plane.ts';
import type { NumberedEvent } from './events.ts';

eachDatabase('workshops', (open) => {
  let stage: Stage;
  let plane: ControlPlane;
  let owner: string;
  let stranger: string;

  before(async () => {
    stage = await openStage(open);
    ({ plane, owner } = stage);
    stranger = await insertOwner(stage.opened.database, 'stranger');
  });
  after(() => stage.close());

  const refused = (code: string, field?: string) => (error: unknown) =>
    error instanceof PublicError && error.code === code && error.field === field;

  test('a workshop that is not started has a code, all its seats off, and costs nothing', async () => {
    const made = await plane.workshops.create(owner, { name: 'Shells', seats: 3 });
    assert.match(made.id, /^ws-[a-z0-9]{8}$/);
    assert.match(made.code, /^[A-Z2-7]{6}$/);
    assert.equal(made.joinUrl, `http://localhost:8080/join/${made.code}`);
    assert.deepEqual(
      [made.phase, made.seats.map((seat) => seat.phase).join(), made.endsAt],
      ['stopped', 'off,off,off', null],
    );
  });

  test('another instructor’s workshop does not exist for any verb', async () => {
    const { id } = await plane.workshops.create(owner, { name: 'Mine', seats: 1 });
    const { workshops } = plane;
    const verbs: (() => Promise<unknown>)[] = [
      () => workshops.show(stranger, id),
      () => workshops.start(stranger, id),
      () => workshops.stop(stranger, id),
      () => workshops.extend(stranger, id, 5),
      () => workshops.delete(stranger, id),
      () => workshops.restartSeat(stranger, id, 1),
      () => workshops.resetSeat(stranger, id, 1),
      () => workshops.settled(stranger, id, AbortSignal.timeout(1_000)),
      () => workshops.events(stranger, id, undefined, AbortSignal.timeout(1_000)).next(),
    ];
    for (const verb of verbs) await assert.rejects(verb, refused('not_found'));
    assert.deepEqual(await workshops.list(stranger), []);
    assert.equal((await workshops.show(owner, id)).phase, 'stopped');
  });

  test('a join code of one’s own is taken once', async () => {
    await plane.workshops.create(owner, { name: 'First', seats: 1, code: 'CLASS2026' });
    await assert.rejects(
      plane.workshops.create(stranger, { name: 'Second', seats: 1, code: 'CLASS2026' }),
      refused('code_taken', 'code'),
    );
  });

  test('a runtime that this server lacks is named with those it has', async () => {
    await assert.rejects(
      plane.workshops.create(owner, { name: 'VMs', seats: 1, runtime: 'firecracker' }),
      refused('invalid_input', 'runtime'),
    );
  });

  test('starting, stopping and deleting may be asked twice', async () => {
    const { id } = await plane.workshops.create(owner, { name: 'Twice', seats: 2, start: true });
    await plane.workshops.start(owner, id);
    assert.equal((await plane.workshops.settled(owner, id, AbortSignal.timeout(5_000))).phase, 'ready');
    await plane.workshops.stop(owner, id);
    await plane.workshops.stop(owner, id);
    await plane.workshops.delete(owner, id);
    await plane.workshops.delete(owner, id).catch((error) => assert.ok(refused('not_found')(error)));
    await eventually(async () => !(await plane.workshops.list(owner)).some((each) => each.id === id));
  });

  test('a seat that the workshop does not have cannot be restarted, nor any of a stopped one', async () => {
    const { id } = await plane.workshops.create(owner, { name: 'Few', seats: 1 });
    await assert.rejects(plane.workshops.restartSeat(owner, id, 1), refused('workshop_not_running'));
    await plane.workshops.start(owner, id);
    await assert.rejects(plane.workshops.restartSeat(owner, id, 2), refused('not_found'));
  });

  test('a follower sees every seat become ready, and one who resumes gets only what came later', async () => {
    const { id } = await plane.workshops.create(owner, { name: 'Followed', seats: 3, start: true });
    const first = new AbortController();
    const heard: NumberedEvent[] = [];
    for await (const event of plane.workshops.events(owner, id, undefined, first.signal)) {
      heard.push(event);
      if (event.event.type === 'workshop' && event.event.workshop.phase === 'ready') first.abort();
    }
    const last = new Map<number, string>();
    for (const { event } of heard) if (event.type === 'seat') last.set(event.seat.seat, event.seat.phase);
    assert.deepEqual(
      [...last],
      [1, 2, 3].map((seat) => [seat, 'ready']),
    );

    await plane.join.join({ code: (await plane.workshops.show(owner, id)).code, name: 'Ada' });
    const second = new AbortController();
    const later: WorkshopEvent[] = [];
    const resumed = plane.workshops.events(owner, id, heard.at(-1)?.id, second.signal);
    for await (const { event } of resumed) {
      later.push(event);
      if (event.type === 'workshop') second.abort();
    }
    assert.ok(later.some((event) => event.type === 'seat' && event.seat.learner?.name === 'Ada'));
  });

  test('a follower of a deleted workshop is told so, and the stream ends', async () => {
    const { id } = await plane.workshops.create(owner, { name: 'Gone', seats: 1, start: true });
    const events = plane.workshops.events(owner, id, undefined, AbortSignal.timeout(5_000));
    await events.next();
    await plane.workshops.delete(owner, id);
    let last: WorkshopEvent | undefined;
    for await (const { event } of events) last = event;
    assert.equal(last?.type, 'deleted');
  });

  test('settled resolves for a workshop that is stopped meanwhile', async () => {
    const { id } = await plane.workshops.create(owner, { name: 'Short', seats: 1 });
    const settled = await plane.workshops.settled(owner, id as WorkshopId, AbortSignal.timeout(5_000));
    assert.equal(settled.phase, 'stopped');
  });
});
