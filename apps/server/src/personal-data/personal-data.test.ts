import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import type { DataSubject } from '@clarateach/contract/audit';
import { auditQuery } from '@clarateach/contract/audit';
import { PublicError } from '@clarateach/contract/errors';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { type Audit, createAudit } from '../audit/audit.ts';
import { auditPage } from '../audit/audit-pages.ts';
import { createApiTokens } from '../people/api-tokens.ts';
import { MAILED_LINK } from '../people/mailed-links.ts';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, eventually, insertOwner } from '../testing/control-plane.ts';
import { createPersonalData, type PersonalData } from './personal-data.ts';

const refused = (code: string) => (error: unknown) => error instanceof PublicError && error.code === code;

eachDatabase('the data of a person', (open) => {
  let opened: TestDatabase;
  let plane: ControlPlane;
  let audit: Audit;
  let data: PersonalData;
  let by: { userId: string; address: string };

  before(async () => {
    opened = await open();
    const { database } = opened;
    plane = await controlPlane({ database, provider: instantProvider() });
    plane.start();
    audit = createAudit({ database, secret: randomBytes(32), now: Date.now, keepDays: 30, onError: fail });
    data = createPersonalData({
      database,
      audit,
      changes: plane.changes,
      onRevoked: (revocation) => plane.revocations.add([revocation]),
      onMovedUp: (workshop, rows) => void plane.registrations.tellMovedUp(workshop, rows),
      now: Date.now,
    });
    by = { userId: await insertOwner(database, 'admin'), address: '127.0.0.1' };
  });
  after(async () => {
    await plane.close();
    await audit.close();
    await opened.close();
    assert.deepEqual(plane.errors, []);
  });
  const fail = (error: unknown) => assert.fail(String(error));

  const joined = async (owner: string) => {
    const { id, code } = await plane.workshops.create(owner, { name: 'Shells', seats: 2, start: true });
    await plane.workshops.settled(owner, id, AbortSignal.timeout(5_000));
    const ada = await plane.join.join({ code, name: 'Ada' });
    const actor = { kind: 'learner', id: audit.pseudonym(id, ada.odehash), name: 'Ada' } as const;
    // Not awaited: what is about to be written counts too.
    void audit.record({ actor, action: 'learner.joined', workshopId: id, address: '10.1.2.3' });
    void audit.record({
      actor: { kind: 'person', id: owner, name: `${owner}@example.org` },
      action: 'learner.removed',
      workshopId: id,
      target: actor,
    });
    return { id, code, odehash: ada.odehash };
  };
  const log = async () =>
    JSON.stringify((await auditPage(opened.database, auditQuery.parse({ limit: 200 }))).entries);

  test('is exported and deleted by return code: the seat is emptied, the log loses the name and keeps the line', async () => {
    const owner = await insertOwner(opened.database, 'owner-1');
    const { id, code, odehash } = await joined(owner);
    const subject: DataSubject = { kind: 'return-code', odehash };
    const exported = await data.export(subject, by);
    assert.equal(exported.data.seats?.[0]?.name, 'Ada');
    assert.equal(exported.data.auditLog?.length, 2);
    const { deleted } = await data.delete(subject, by);
    assert.deepEqual(deleted, { seats: 1, removals: 1, auditLog: 3 });
    assert.ok(plane.revocations.notBefore(id, odehash) > 0);
    assert.equal((await plane.workshops.show(owner, id)).seats[0]?.learner, null);
    const after = await log();
    assert.match(after, /learner\.joined/);
    assert.doesNotMatch(after, /"Ada"|10\.1\.2\.3/);
    await assert.rejects(data.export(subject, by), refused('not_found'));
    // Whoever was deleted is not kept out: nobody knows any more that they were here.
    await eventually(async () => (await plane.join.info(code)).freeSeats === 2);
    assert.equal((await plane.join.join({ code, name: 'Ada', odehash })).returning, false);
  });

  test('is found by name within a workshop, also when only the log knows it', async () => {
    const owner = await insertOwner(opened.database, 'owner-2');
    const { id } = await joined(owner);
    await plane.workshops.stop(owner, id);
    await eventually(async () => (await plane.workshops.show(owner, id)).phase === 'stopped');
    const subject: DataSubject = { kind: 'learner', workshopId: id, name: 'Ada' };
    const exported = await data.export(subject, by);
    assert.deepEqual(Object.keys(exported.data), ['auditLog']);
    await assert.rejects(data.export({ ...subject, name: 'Eve' }, by), refused('not_found'));
    assert.ok(((await data.delete(subject, by)).deleted.auditLog ?? 0) >= 2);
    await assert.rejects(data.delete(subject, by), refused('not_found'));
  });

  test('of an account is exported without secrets, and deleted with its workshops', async () => {
    const owner = await insertOwner(opened.database, 'owner-3');
    const email = `${owner}@example.org`;
    const { id } = await joined(owner);
    const tokens = createApiTokens({ database: opened.database, now: Date.now, onError: fail });
    const { token } = await tokens.create(owner, { name: 'laptop' });
    const exported = await data.export({ kind: 'account', email: email.toUpperCase() }, by);
    assert.deepEqual(Object.keys(exported.data).sort(), ['apiTokens', 'auditLog', 'profile', 'workshops']);
    const row = await opened.database.db
      .selectFrom('apiTokens')
      .select('hash')
      .where('userId', '=', owner)
      .executeTakeFirstOrThrow();
    for (const secret of [token, row.hash]) assert.ok(!JSON.stringify(exported).includes(secret));
    await data.delete({ kind: 'account', email }, by);
    assert.equal(await tokens.find(token), undefined);
    assert.doesNotMatch(await log(), new RegExp(email));
    await eventually(
      async () =>
        (await opened.database.db.selectFrom('workshops').select('id').where('id', '=', id).execute())
          .length === 0,
    );
    await assert.rejects(data.delete({ kind: 'account', email }, by), refused('not_found'));
  });

  test('of a registered learner goes by return code or by address, and their place to the next who waits', async () => {
    const owner = await insertOwner(opened.database, 'owner-4');
    const { id, code } = await plane.workshops.create(owner, {
      name: 'Shells',
      seats: 2,
      entry: 'registered',
      start: true,
    });
    await plane.registrations.configure(owner, id, {
      entry: 'registered',
      registrationCap: 1,
      questions: [{ label: 'Diet', required: false }],
    });
    await plane.workshops.settled(owner, id, AbortSignal.timeout(5_000));
    const register = (name: string, answers = {}) =>
      plane.registrations.register({ code, name, email: `${name.toLowerCase()}@example.org`, answers });
    const ada = await register('Ada', { Diet: 'vegan' });
    const { odehash, seat } = await plane.join.join({ code: ada.accessCode, name: 'Ada' });
    await plane.handOver.create(owner, id, seat);
    await register('Bob');
    const list = async () =>
      (await plane.registrations.list(owner, id)).registrations.map(({ name, state }) => [name, state]);
    assert.deepEqual(await list(), [
      ['Ada', 'confirmed'],
      ['Bob', 'waiting'],
    ]);

    const exported = await data.export({ kind: 'return-code', odehash }, by);
    assert.deepEqual(Object.keys(exported.data).sort(), ['handOvers', 'registrations', 'seats']);
    const [registration] = exported.data.registrations ?? [];
    assert.deepEqual(registration?.answers, { Diet: 'vegan' });
    const byAddress = await data.export({ kind: 'account', email: 'Ada@Example.org' }, by);
    assert.deepEqual(byAddress.data.registrations, exported.data.registrations);

    const { deleted } = await data.delete({ kind: 'account', email: 'ada@example.org' }, by);
    const { auditLog: _, ...records } = deleted;
    assert.deepEqual(records, { handOvers: 1, seats: 1, removals: 1, registrations: 1 });
    assert.deepEqual(await list(), [['Bob', 'confirmed']]);
    assert.equal((await plane.workshops.show(owner, id)).occupiedSeats, 0);
    await eventually(() =>
      plane.mails.some(({ to, text }) => to === 'bob@example.org' && /place/.test(text)),
    );
    await assert.rejects(plane.join.info(ada.accessCode), refused('unknown_code'));

    // Bob has not come yet: only his registration is known.
    const bob = await data.delete({ kind: 'learner', workshopId: id, name: 'Bob' }, by);
    assert.deepEqual(bob.deleted, { registrations: 1 });
    assert.deepEqual(await list(), []);
  });

  test('who is invited, or runs another’s workshop too, is covered, with what their tokens may do', async () => {
    const { db } = opened.database;
    const owner = await insertOwner(opened.database, 'owner-5');
    const colleague = await insertOwner(opened.database, 'colleague');
    const { id } = await plane.workshops.create(owner, { name: 'Shells', seats: 1 });
    await plane.colleagues.add(owner, id, `${colleague}@example.org`);
    const tokens = createApiTokens({ database: opened.database, now: Date.now, onError: fail });
    await tokens.create(colleague, { name: 'ci', scopes: ['workshops:read'], expiresInDays: 7 });
    const { data: kept } = await data.export({ kind: 'account', email: `${colleague}@example.org` }, by);
    assert.deepEqual(kept.coInstructors?.[0]?.workshopId, id);
    assert.deepEqual(kept.apiTokens?.[0]?.scopes, ['workshops:read']);
    assert.match(String(kept.apiTokens?.[0]?.expiresAt), /^\d{4}-/);
    await data.delete({ kind: 'account', email: `${colleague}@example.org` }, by);
    assert.equal((await plane.colleagues.list(owner, id)).length, 1);

    const email = 'invited@example.org';
    await db
      .insertInto('invitations')
      .values({
        id: 'i1',
        email,
        role: 'admin',
        hash: 'secret-hash',
        invitedBy: by.userId,
        sentAt: 1,
        expiresAt: 2,
      })
      .execute();
    await db
      .insertInto('authVerifications')
      .values({
        id: 'v1',
        identifier: `${MAILED_LINK}secret-hash`,
        value: JSON.stringify({ purpose: 'sign-up', email, name: 'Ivy' }),
        ...Object.fromEntries(
          ['expiresAt', 'createdAt', 'updatedAt'].map((at) => [at, new Date().toISOString()]),
        ),
      } as never)
      .execute();
    const actor = { kind: 'person', id: by.userId, name: 'admin@example.org' } as const;
    await audit.record({ actor, action: 'invitation.made', target: { kind: 'person', name: email } });
    const subject: DataSubject = { kind: 'account', email };
    const invited = await data.export(subject, by);
    assert.deepEqual(Object.keys(invited.data).sort(), ['auditLog', 'invitations', 'mailedLinks']);
    assert.ok(!JSON.stringify(invited).includes('secret-hash'));
    const { deleted } = await data.delete(subject, by);
    assert.deepEqual([deleted.invitations, deleted.mailedLinks], [1, 1]);
    assert.ok(!(await log()).includes(email));
    await assert.rejects(data.export(subject, by), refused('not_found'));
  });

  test('of one’s own account stays, so that somebody is left who may sign in', async () => {
    await assert.rejects(
      data.delete({ kind: 'account', email: 'admin@example.org' }, by),
      refused('conflict'),
    );
  });
});
