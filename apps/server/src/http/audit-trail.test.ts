import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { auditQuery } from '@clarateach/contract/audit';
import { PublicError } from '@clarateach/contract/errors';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { type Audit, createAudit } from '../audit/audit.ts';
import { auditPage } from '../audit/audit-pages.ts';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { type ControlPlane, controlPlane, insertOwner } from '../testing/control-plane.ts';
import { type AuditTrail, createAuditTrail } from './audit-trail.ts';
import type { Caller, RequestContext } from './callers.ts';

eachDatabase('the trail of the API', (open) => {
  let opened: TestDatabase;
  let plane: ControlPlane;
  let audit: Audit;
  let trail: AuditTrail;
  let now = Date.UTC(2027, 0, 1);

  before(async () => {
    opened = await open();
    const { database } = opened;
    plane = await controlPlane({ database, provider: instantProvider() });
    audit = createAudit({
      database,
      secret: randomBytes(32),
      now: () => now,
      keepDays: 30,
      onError: (error) => assert.fail(String(error)),
    });
    trail = createAuditTrail({ audit, database, now: () => now });
    await insertOwner(database, 'owner');
    await insertOwner(database, 'admin');
  });
  after(async () => {
    await plane.close();
    await audit.close();
    await opened.close();
  });

  const context = { address: '10.0.0.1' } as RequestContext;
  const person = (userId: string): Caller => ({
    kind: 'person',
    person: {
      userId,
      role: userId === 'admin' ? 'admin' : 'instructor',
      via: { kind: 'session', token: '', byLink: false },
      cookies: [],
    },
  });
  const call = async (
    path: string,
    options: { caller: Caller; method?: string; input?: unknown; meta?: 'admin' | 'instructor' },
  ) => {
    const { caller, method = 'GET', input, meta = 'instructor' } = options;
    const procedure = { meta: { caller: meta }, route: { method } } as const;
    await trail.follow({ path: path.split('.'), procedure, caller, context, input }, async () => ({
      output: {},
    }));
  };
  const actions = async () => {
    // One more line is written after the others, and shows that they are.
    await audit.record({ actor: { kind: 'system' }, action: 'mark' });
    const { entries } = await auditPage(opened.database, auditQuery.parse({}));
    await opened.database.db.deleteFrom('auditLog').execute();
    return entries.slice(1).map(({ action, actor, workshopId }) => [action, actor.name, workshopId]);
  };

  test('has an admin’s look at another’s workshop, once in a while, and no look at their own', async () => {
    const { id } = await plane.workshops.create('owner', { name: 'Shells', seats: 1 });
    const input = { id };
    await call('workshops.show', { caller: person('admin'), input });
    await call('workshops.events', { caller: person('admin'), input });
    await call('workshops.show', { caller: person('owner'), input });
    assert.deepEqual(await actions(), [['workshop.viewed', 'admin@example.org', id]]);
    now += 11 * 60_000;
    await call('workshops.show', { caller: person('admin'), input });
    await call('admin.vms', { caller: person('admin'), meta: 'admin' });
    await call('admin.vms', { caller: person('admin'), meta: 'admin' });
    assert.deepEqual(
      (await actions()).map(([action]) => action),
      ['admin.viewed', 'workshop.viewed'],
    );
  });

  test('has a change that nobody wrote a rule for, and nothing of one that was refused', async () => {
    const { id } = await plane.workshops.create('owner', { name: 'Shells', seats: 1 });
    await call('workshops.addCoInstructor', { caller: person('owner'), method: 'POST', input: { id } });
    assert.deepEqual(await actions(), [['workshops.add_co_instructor', 'owner@example.org', id]]);
    const refused = trail.follow(
      {
        path: ['workshops', 'stop'],
        procedure: { meta: { caller: 'instructor' }, route: { method: 'POST' } },
        caller: person('owner'),
        context,
        input: { id },
      },
      () => Promise.reject(new PublicError('not_found', 'x')),
    );
    await assert.rejects(refused, { code: 'not_found' });
    assert.deepEqual(await actions(), []);
  });
});
