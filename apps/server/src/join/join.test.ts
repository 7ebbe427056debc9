import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import type { Odehash } from '@clarateach/contract/ids';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { eachDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, openStage, type Stage } from '../testing/control-plane.ts';
import type { Claim } from './join.ts';

eachDatabase('joining', (open, kind) => {
  let stage: Stage;
  let plane: ControlPlane;
  let owner: string;

  before(async () => {
    stage = await openStage(open);
    ({ plane, owner } = stage);
  });
  after(() => stage.close());

  const refused = (code: string) => (error: unknown) => error instanceof PublicError && error.code === code;

  test('a learner gets the lowest free seat and comes back to it with their code', async () => {
    const { code } = await stage.readyWorkshop(2);
    const ada = await plane.join.join({ code, name: 'Ada' });
    const alan = await plane.join.join({ code, name: 'Alan' });
    assert.deepEqual([ada.seat, alan.seat, ada.returning], [1, 2, false]);
    const back = await plane.join.join({ code, name: 'Ada L.', odehash: ada.odehash });
    assert.deepEqual([back.seat, back.odehash, back.name, back.returning], [1, ada.odehash, 'Ada L.', true]);
  });

  test('a full workshop takes in those who have a seat, and nobody else', async () => {
    const { code } = await stage.readyWorkshop(1);
    const ada = await plane.join.join({ code, name: 'Ada' });
    await assert.rejects(plane.join.join({ code, name: 'Alan' }), refused('workshop_full'));
    assert.equal((await plane.join.info(code)).state, 'full');
    assert.equal((await plane.join.join({ code, name: 'Ada', odehash: ada.odehash })).seat, 1);
  });

  test('a retried join with the learner’s own code is one claim', async () => {
    const { id, code } = await stage.readyWorkshop(3);
    const odehash = 'ABCDE234' as Odehash;
    const claims = await Promise.all([1, 2, 3].map(() => plane.join.join({ code, name: 'Ada', odehash })));
    assert.deepEqual(
      claims.map((claim) => claim.seat),
      [1, 1, 1],
    );
    assert.equal((await plane.workshops.show(owner, id)).occupiedSeats, 1);
  });

  test('the code is read in any letter case, with spaces and dashes', async () => {
    const { code } = await stage.readyWorkshop(1);
    const typed = ` ${code.slice(0, 3).toLowerCase()}-${code.slice(3)} `;
    assert.equal((await plane.join.join({ code: typed, name: 'Ada' })).seat, 1);
  });

  test('an unknown code and a stopped workshop each say so', async () => {
    await assert.rejects(plane.join.join({ code: 'NOSUCH', name: 'Ada' }), refused('unknown_code'));
    const { id, code } = await stage.readyWorkshop(1);
    await plane.workshops.stop(owner, id);
    await assert.rejects(plane.join.join({ code, name: 'Ada' }), refused('workshop_not_running'));
    assert.equal((await plane.join.info(code)).state, 'stopped');
  });

  test('a seat that is being emptied is not handed out', async () => {
    const { id, code } = await stage.readyWorkshop(1);
    await stage.opened.database.db
      .updateTable('seats')
      .set({ wanted: 'reset' })
      .where('workshopId', '=', id)
      .execute();
    const outcome = await plane.join.join({ code, name: 'Ada' }).catch((error: PublicError) => error.code);
    if (typeof outcome === 'string') assert.equal(outcome, 'workshop_not_running');
  });

  test('the claims of a workshop end when it stops', async () => {
    const { id, code } = await stage.readyWorkshop(1);
    const ada = await plane.join.join({ code, name: 'Ada' });
    assert.equal((await plane.join.claimOf(id, ada.odehash)).seat, 1);
    await plane.workshops.stop(owner, id);
    await assert.rejects(plane.join.claimOf(id, ada.odehash), refused('workshop_not_running'));
    await plane.workshops.delete(owner, id);
    await assert.rejects(plane.join.claimOf(id, ada.odehash), refused('workshop_not_running'));
  });

  test('a learner without a claim in a workshop that runs was removed', async () => {
    const { id, code } = await stage.readyWorkshop(1);
    const ada = await plane.join.join({ code, name: 'Ada' });
    await stage.opened.database.db.deleteFrom('sessions').where('workshopId', '=', id).execute();
    await assert.rejects(plane.join.claimOf(id, ada.odehash), refused('removed'));
  });

  test(`500 join 60 seats at once through ${kind === 'sqlite' ? 'one server' : 'two servers'}: each seat goes once`, async () => {
    const { code } = await stage.readyWorkshop(60);
    const second =
      kind === 'postgresql'
        ? await controlPlane({
            database: stage.opened.again(),
            provider: instantProvider(),
            server: 'server-2',
          })
        : undefined;
    const servers = second ? [plane, second] : [plane];
    const results = await Promise.allSettled(
      Array.from({ length: 500 }, (_, index) =>
        (servers[index % servers.length] as ControlPlane).join.join({ code, name: `Learner ${index}` }),
      ),
    );
    await second?.close();
    const claims = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    assert.equal(claims.length, 60);
    assert.equal(new Set(claims.map((claim: Claim) => claim.seat)).size, 60);
    assert.equal(new Set(claims.map((claim: Claim) => claim.odehash)).size, 60);
    assert.equal(refusals.filter(refused('workshop_full')).length, 440);
  });
});
