import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PublicError } from '@clarateach/contract/errors';
import type { WorkshopId } from '@clarateach/contract/ids';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, insertOwner } from '../testing/control-plane.ts';

eachDatabase('co-instructors', (open) => {
  let opened: TestDatabase;
  let plane: ControlPlane;
  let owner: string;
  let other: string;
  let stranger: string;
  let admin: string;
  let id: WorkshopId;

  before(async () => {
    opened = await open();
    const { database } = opened;
    [owner, other, stranger, admin] = [
      await insertOwner(database, 'owner'),
      await insertOwner(database, 'other'),
      await insertOwner(database, 'stranger'),
      await insertOwner(database, 'admin'),
    ];
    await database.db.updateTable('users').set({ role: 'admin' }).where('id', '=', admin).execute();
    plane = await controlPlane({ database, provider: instantProvider() });
    plane.start();
    ({ id } = await plane.workshops.create(owner, { name: 'Shells', seats: 1 }));
  });
  after(async () => {
    await plane.close();
    await opened.close();
    assert.deepEqual(plane.errors, []);
  });

  const refused = (code: string, field?: string) => (error: unknown) =>
    error instanceof PublicError && error.code === code && error.field === field;

  /** All that is done with a workshop, but what ends it. */
  const verbs = (who: string): (() => Promise<unknown>)[] => [
    () => plane.workshops.show(who, id),
    () => plane.workshops.start(who, id),
    () => plane.workshops.extend(who, id, 5),
    () => plane.workshops.events(who, id, undefined, AbortSignal.timeout(5_000)).next(),
    () => plane.registrations.list(who, id),
    () => plane.registrations.configure(who, id, { entry: 'open', registrationCap: null, questions: [] }),
    () => plane.registrations.import(who, id, { csv: `${who},` }),
    () => plane.registrations.export(who, id),
    () => plane.colleagues.list(who, id),
    () => plane.workshops.stop(who, id),
  ];

  test('a workshop does not exist for those who do not run it', async () => {
    for (const verb of [
      ...verbs(stranger),
      () => plane.workshops.delete(stranger, id),
      () => plane.colleagues.add(stranger, id, 'stranger@example.org'),
      () => plane.colleagues.remove(stranger, id, owner),
      () => plane.registrations.cancel(stranger, id, 'x'),
      () => plane.registrations.rotate(stranger, id, 'x'),
      () => plane.registrations.resend(stranger, id, 'x'),
      () => plane.handOver.create(stranger, id, 1),
    ]) {
      await assert.rejects(verb, refused('not_found'));
    }
  });

  test('one whom the owner adds sees and runs it, and neither deletes it nor chooses who runs it', async () => {
    const added = await plane.colleagues.add(owner, id, 'Other@Example.org');
    assert.deepEqual([added.userId, added.role], [other, 'co-instructor']);
    await plane.colleagues.add(owner, id, 'other@example.org');
    assert.deepEqual(
      (await plane.colleagues.list(other, id)).map(({ userId, role }) => [userId, role]),
      [
        [owner, 'owner'],
        [other, 'co-instructor'],
      ],
    );
    for (const verb of verbs(other)) await verb();
    const listed = await plane.workshops.list(other);
    assert.deepEqual(
      listed.map((each) => [each.id, each.ownerId]),
      [[id, owner]],
    );
    for (const verb of [
      () => plane.workshops.delete(other, id),
      () => plane.colleagues.add(other, id, 'stranger@example.org'),
      () => plane.colleagues.remove(other, id, other),
    ]) {
      await assert.rejects(verb, refused('forbidden'));
    }
  });

  test('one who is taken off finds nothing any more', async () => {
    await plane.colleagues.remove(owner, id, other);
    await plane.colleagues.remove(owner, id, other);
    for (const verb of verbs(other)) await assert.rejects(verb, refused('not_found'));
    assert.deepEqual(await plane.workshops.list(other), []);
  });

  test('an address that nobody has, and the owner’s own, are wrong input', async () => {
    for (const email of ['nobody@example.org', 'owner@example.org']) {
      await assert.rejects(plane.colleagues.add(owner, id, email), refused('invalid_input', 'email'));
    }
  });

  test('an admin runs every workshop, sees all when asked for all, and may end them', async () => {
    for (const verb of verbs(admin)) await verb();
    assert.deepEqual(await plane.workshops.list(admin), []);
    assert.deepEqual(
      (await plane.workshops.list(admin, 'all')).map((each) => each.id),
      [id],
    );
    await plane.colleagues.add(admin, id, 'other@example.org');
    await plane.workshops.delete(admin, id);
  });
});
