import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, eventually, insertOwner } from '../testing/control-plane.ts';

eachDatabase('handing a seat over', (open) => {
  let opened: TestDatabase;
  let plane: ControlPlane;
  let owner: string;
  let stranger: string;
  let id: WorkshopId;
  let code: string;
  let clock = Date.now();

  before(async () => {
    opened = await open();
    owner = await insertOwner(opened.database, 'owner');
    stranger = await insertOwner(opened.database, 'stranger');
    plane = await controlPlane({
      database: opened.database,
      provider: instantProvider(),
      now: () => clock,
    });
    plane.start();
    ({ id, code } = await plane.workshops.create(owner, { name: 'Shells', seats: 4, start: true }));
    await plane.workshops.settled(owner, id, AbortSignal.timeout(10_000));
  });
  after(async () => {
    await plane.close();
    await opened.close();
    assert.deepEqual(plane.errors, []);
  });

  const refused = (wanted: string) => (error: unknown) =>
    error instanceof PublicError && error.code === wanted;
  const link = async (seat: number) => {
    const { url } = await plane.handOver.create(owner, id, seat);
    assert.match(url, /^http:\/\/localhost:8080\/hand-over#[\w-]{32}$/);
    return url.split('#')[1] ?? '';
  };

  test('the link gives the same seat once, and the old browser has it no longer', async () => {
    const ada = await plane.join.join({ code, name: 'Ada' });
    const token = await link(ada.seat);
    const results = await Promise.allSettled([1, 2, 3].map(() => plane.handOver.redeem(token)));
    const claims = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(claims.length, 1);
    assert.deepEqual([claims[0]?.claim.seat, claims[0]?.claim.name], [ada.seat, 'Ada']);
    assert.notEqual(claims[0]?.claim.odehash, ada.odehash);
    await assert.rejects(plane.handOver.redeem(token), refused('not_found'));
    await assert.rejects(plane.join.claimOf(id, ada.odehash), refused('removed'));
    const holder = () => plane.routes.find({ workshop: id, seat: ada.seat })?.holder;
    await eventually(() => holder() === claims[0]?.claim.odehash);
  });

  test('an access code leads on to the seat that was handed over', async () => {
    const { accessCode } = await plane.registrations.register({ code, name: 'Bob' });
    const bob = await plane.join.join({ code: accessCode, name: 'Bob' });
    const { claim: taken } = await plane.handOver.redeem(await link(bob.seat));
    const back = await plane.join.join({ code: accessCode, name: 'Bob' });
    assert.deepEqual([back.seat, back.odehash, back.returning], [bob.seat, taken.odehash, true]);
  });

  test('a link is good for a quarter of an hour, a newer one takes its place, and a free seat has none', async () => {
    const cy = await plane.join.join({ code, name: 'Cy' });
    const late = await link(cy.seat);
    clock += 15 * 60_000;
    await assert.rejects(plane.handOver.redeem(late), refused('not_found'));
    const older = await link(cy.seat);
    const newer = await link(cy.seat);
    await assert.rejects(plane.handOver.redeem(older), refused('not_found'));
    assert.equal((await plane.handOver.redeem(newer)).claim.seat, cy.seat);
    await assert.rejects(plane.handOver.create(owner, id, 4), refused('conflict'));
    await assert.rejects(plane.handOver.redeem('made-up'), refused('not_found'));
  });

  test('nobody else makes links, and a stopped workshop honours none', async () => {
    await assert.rejects(plane.handOver.create(stranger, id, 1), refused('not_found'));
    const token = await link(1);
    await plane.workshops.stop(owner, id);
    await assert.rejects(plane.handOver.redeem(token), refused('not_found'));
  });
});
