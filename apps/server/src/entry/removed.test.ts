import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import { eachDatabase } from '../store/testing.ts';
import {
  type ControlPlane,
  eventually,
  insertOwner,
  openStage,
  type Stage,
} from '../testing/control-plane.ts';

eachDatabase('a registered learner who is removed', (open) => {
  let stage: Stage;
  let plane: ControlPlane;
  let owner: string;

  before(async () => {
    stage = await openStage(open);
    ({ plane, owner } = stage);
  });
  after(() => stage.close());

  const refused = (code: string) => (error: unknown) => error instanceof PublicError && error.code === code;
  const email = 'mallory@example.org';

  /** Mallory has registered, has come, and is removed by whoever is named. */
  const removed = async (by: string) => {
    const { id, code } = await plane.workshops.create(owner, {
      name: 'Shells',
      seats: 1,
      entry: 'registered',
      start: true,
    });
    if (by !== owner) await plane.colleagues.add(owner, id, `${by}@example.org`);
    await plane.workshops.settled(owner, id, AbortSignal.timeout(10_000));
    const { accessCode } = await plane.registrations.register({ code, name: 'Mallory', email });
    const { odehash } = await plane.join.join({ code: accessCode, name: 'Mallory' });
    await plane.workshops.removeLearner(by, id, 1);
    return { id, code, accessCode, odehash };
  };

  test('is refused with the access code, with a new one, and at the registration page', async () => {
    const { id, code, accessCode } = await removed(owner);
    await assert.rejects(plane.join.info(accessCode), refused('removed'));
    await assert.rejects(plane.join.join({ code: accessCode, name: 'Mallory' }), refused('removed'));
    await assert.rejects(plane.registrations.register({ code, name: 'M.', email }), refused('removed'));
    await assert.rejects(plane.registrations.cancelOwn(accessCode), refused('removed'));
    const [row] = (await plane.registrations.list(owner, id)).registrations;
    const { registration } = await plane.registrations.rotate(owner, id, row?.id ?? '');
    const rotated = registration.accessCode;
    await assert.rejects(plane.join.join({ code: rotated, name: 'Mallory' }), refused('removed'));
    // Also after the instructor cancelled what they had: it is the address that is known.
    await plane.registrations.cancel(owner, id, row?.id ?? '');
    await assert.rejects(plane.registrations.register({ code, name: 'M.', email }), refused('removed'));
  });

  test('is removed and let back by a co-instructor too, and then comes in by the same access code', async () => {
    const colleague = await insertOwner(stage.opened.database, 'colleague');
    const { id, accessCode } = await removed(colleague);
    const [removal] = await plane.workshops.removals(colleague, id);
    await plane.workshops.letBack(colleague, id, removal?.id ?? '');
    await eventually(async () => (await plane.join.info(accessCode)).state === 'open');
    assert.equal((await plane.join.info(accessCode)).registration?.admitted, true);
    assert.equal((await plane.join.join({ code: accessCode, name: 'Mallory' })).seat, 1);
  });

  test('and let back can be handed the seat in another browser, which nobody takes for the removed one', async () => {
    const { id, accessCode, odehash } = await removed(owner);
    const [removal] = await plane.workshops.removals(owner, id);
    await plane.workshops.letBack(owner, id, removal?.id ?? '');
    await eventually(async () => (await plane.join.info(accessCode)).state === 'open');
    await plane.join.join({ code: accessCode, name: 'Mallory' });
    const { url } = await plane.handOver.create(owner, id, 1);
    const { claim } = await plane.handOver.redeem(url.split('#')[1] ?? '');
    assert.notEqual(claim.odehash, odehash);
    assert.equal((await plane.join.claimOf(id, claim.odehash)).seat, 1);
    assert.equal(plane.revocations.notBefore(id, claim.odehash), 0);
    assert.equal((await plane.join.join({ code: accessCode, name: 'Mallory' })).seat, 1);
  });

  test('has no use for a hand-over link that was made before', async () => {
    const { id, code } = await plane.workshops.create(owner, { name: 'Shells', seats: 1, start: true });
    await plane.workshops.settled(owner, id, AbortSignal.timeout(10_000));
    await plane.join.join({ code, name: 'Mallory' });
    const { url } = await plane.handOver.create(owner, id, 1);
    await plane.workshops.removeLearner(owner, id, 1);
    await assert.rejects(plane.handOver.redeem(url.split('#')[1] ?? ''), refused('not_found'));
  });
});
