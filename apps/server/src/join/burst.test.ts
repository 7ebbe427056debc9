import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import type { KyselyPlugin } from 'kysely';
import type { Database } from '../store/database.ts';
import { eachDatabase } from '../store/testing.ts';
import { openStage, type Stage } from '../testing/control-plane.ts';
import { type Claim, createJoin } from './join.ts';

/** The same database, which counts what it is asked. */
function counting(database: Database) {
  const asked = { statements: 0, transactions: 0 };
  const counter: KyselyPlugin = {
    transformQuery({ node }) {
      asked.statements++;
      return node;
    },
    transformResult: async ({ result }) => result,
  };
  const counted: Database = {
    ...database,
    db: database.db.withPlugin(counter),
    transaction(work) {
      asked.transactions++;
      return database.transaction((trx) => work(trx.withPlugin(counter)));
    },
  };
  return { asked, counted };
}

const LEARNERS = 50;

eachDatabase('a class that joins at once', (open) => {
  let stage: Stage;
  before(async () => {
    stage = await openStage(open);
  });
  after(() => stage.close());

  const server = () => {
    const { asked, counted } = counting(stage.opened.database);
    const join = createJoin({ database: counted, changes: stage.plane.changes, now: Date.now });
    return { asked, join };
  };
  const seatsOf = (claims: readonly Claim[]) => new Set(claims.map(({ seat }) => seat)).size;
  const learners = Array.from({ length: LEARNERS }, (_, index) => `Learner ${index}`);

  test('costs one look-up and one transaction, and the look-up only the first time', async () => {
    const { code } = await stage.readyWorkshop(2 * LEARNERS);
    const { asked, join } = server();
    const all = () => Promise.all(learners.map((name) => join.join({ code, name })));
    const first = await all();
    // The look-up; the lock, the free seats, the revision and the sessions.
    assert.deepEqual(asked, { statements: 5, transactions: 1 });
    const second = await all();
    assert.deepEqual(asked, { statements: 9, transactions: 2 });
    assert.equal(seatsOf([...first, ...second]), 2 * LEARNERS);
  });

  test('costs no more with an access code for each of them', async () => {
    const { id, code } = await stage.readyWorkshop(LEARNERS);
    const codes: string[] = [];
    for (const name of learners) {
      codes.push((await stage.plane.registrations.register({ code, name })).accessCode);
    }
    const { asked, join } = server();
    const all = () => Promise.all(codes.map((each) => join.join({ code: each, name: 'Learner' })));
    const claims = await all();
    assert.equal(seatsOf(claims), LEARNERS);
    assert.equal(asked.transactions, 1);
    assert.ok(asked.statements <= 11, `${asked.statements} statements`);
    const came = await stage.opened.database.db
      .selectFrom('registrations')
      .innerJoin('sessions', (on) =>
        on
          .onRef('sessions.odehash', '=', 'registrations.odehash')
          .onRef('sessions.seat', '=', 'registrations.seat'),
      )
      .select('registrations.cameAt')
      .where('registrations.workshopId', '=', id)
      .execute();
    assert.equal(came.filter(({ cameAt }) => cameAt !== null).length, LEARNERS);
    const before = { ...asked };
    assert.deepEqual(
      (await all()).map(({ seat, returning }) => [seat, returning]),
      claims.map(({ seat }) => [seat, true]),
    );
    // The lock, registrations, sessions and removals; nothing is written.
    assert.deepEqual(asked, { statements: before.statements + 4, transactions: before.transactions + 1 });
  });

  test('is refused together where it is full', async () => {
    const { code } = await stage.readyWorkshop(1);
    const { asked, join } = server();
    await join.join({ code, name: 'Ada' });
    const before = asked.statements;
    const refusals = await Promise.allSettled(learners.map((name) => join.join({ code, name })));
    for (const refusal of refusals) {
      assert.ok(refusal.status === 'rejected' && refusal.reason instanceof PublicError);
      assert.equal(refusal.reason.code, 'workshop_full');
    }
    // The lock and the free seats, and one look at the workshop: three statements.
    assert.equal(asked.statements - before, 5);
  });

  test('finds a workshop that took over the code of one that is gone', async () => {
    const { join } = server();
    const old = await stage.readyWorkshop(1);
    await join.join({ code: old.code, name: 'Ada' });
    await stage.opened.database.db
      .updateTable('workshops')
      .set({ code: `${old.code}X` })
      .where('id', '=', old.id)
      .execute();
    await assert.rejects(
      join.join({ code: old.code, name: 'Alan' }),
      (error) => error instanceof PublicError && error.code === 'unknown_code',
    );
    const next = await stage.readyWorkshop(1);
    await stage.opened.database.db
      .updateTable('workshops')
      .set({ code: old.code })
      .where('id', '=', next.id)
      .execute();
    const claim = await join.join({ code: old.code, name: 'Alan' });
    assert.deepEqual([claim.workshop.id, claim.seat], [next.id, 1]);
  });
});
