import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { AuditPage } from '@clarateach/contract/audit';
import { auditQuery } from '@clarateach/contract/audit';
import type { WorkshopId } from '@clarateach/contract/ids';
import type { SeatSession } from '@clarateach/contract/join';
import { eachDatabase, type TestDatabase } from '../store/testing.ts';
import { eventually } from '../testing/control-plane.ts';
import { type TestClient, type TestServer, testServer } from '../testing/server.ts';
import { type Audit, type AuditEvent, createAudit } from './audit.ts';
import { auditPage } from './audit-pages.ts';
import { plainText } from './plain-text.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const ADA: AuditEvent['actor'] = { kind: 'person', id: 'u1', name: 'ada@example.org' };

describe('a text in a log', () => {
  it('is one line without control characters, tricks of direction, or credentials', () => {
    assert.equal(plainText('Ada\r\n{"level":"error"}\u0000\u001b[31m'), 'Ada {"level":"error"} [31m');
    assert.equal(plainText('a\u202egnp.exe\u2028b'), 'a gnp.exe b');
    assert.equal(plainText('my ctk_abcdefgh1234 and sk-ant-abc-123'), 'my … and …');
    assert.equal(plainText('x'.repeat(1000)).length, 200);
    assert.equal(plainText('Zoë 李'), 'Zoë 李');
  });
});

eachDatabase('the audit log', (open) => {
  let test: TestDatabase;
  let now: number;
  let audit: Audit;
  const made = (keepDays = 365) =>
    createAudit({
      database: test.database,
      secret: randomBytes(32),
      now: () => now,
      keepDays,
      onError: (error) => assert.fail(String(error)),
    });
  const page = (query: object = {}) => auditPage(test.database, auditQuery.parse(query));

  beforeEach(async () => {
    test = await open();
    now = Date.UTC(2027, 0, 1);
    audit = made();
  });
  afterEach(async () => {
    await audit.close();
    await test.close();
  });

  it('keeps the order of what came together, and pages through it without a gap or a repetition', async () => {
    await Promise.all(
      Array.from({ length: 120 }, (_, index) =>
        audit.record({ actor: ADA, action: 'workshop.created', details: { index } }),
      ),
    );
    const seen: unknown[] = [];
    let cursor: string | undefined;
    for (;;) {
      const { entries, next } = await page({ limit: 50, cursor });
      seen.push(...entries.map(({ details }) => details.index));
      // What is added meanwhile belongs to the pages before.
      await audit.record({ actor: ADA, action: 'workshop.stopped' });
      if (next === null) break;
      cursor = next;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 120 }, (_, index) => 119 - index),
    );
  });

  it('finds lines by action, by who, by workshop, by outcome and by time', async () => {
    const workshopId = 'ws-abcd2345' as WorkshopId;
    const bob: AuditEvent['actor'] = { kind: 'learner', id: 'p1', name: 'Böb 100%' };
    await audit.record({ actor: ADA, action: 'workshop.created', workshopId });
    now += 1000;
    await audit.record({ actor: bob, action: 'learner.joined', workshopId, address: '10.0.0.1' });
    await audit.record({ actor: ADA, action: 'learner.removed', target: { ...bob, kind: 'learner' } });
    await audit.record({
      actor: { kind: 'anyone', name: 'x' },
      action: 'person.signed_in',
      outcome: 'refused',
    });
    const actions = async (query: object) => (await page(query)).entries.map(({ action }) => action);
    assert.deepEqual(await actions({ action: 'workshop.' }), ['workshop.created']);
    assert.deepEqual(await actions({ action: 'learner.joined' }), ['learner.joined']);
    assert.deepEqual(await actions({ who: 'BÖB' }), await actions({ who: 'böb' }));
    assert.deepEqual(await actions({ who: 'p1' }), ['learner.removed', 'learner.joined']);
    assert.deepEqual(await actions({ who: '0%' }), ['learner.removed', 'learner.joined']);
    assert.deepEqual(await actions({ who: '_' }), []);
    assert.deepEqual(await actions({ workshopId }), ['learner.joined', 'workshop.created']);
    assert.deepEqual(await actions({ outcome: 'refused' }), ['person.signed_in']);
    assert.deepEqual(await actions({ to: new Date(now).toISOString() }), ['workshop.created']);
    assert.equal((await actions({ from: new Date(now).toISOString() })).length, 3);
  });

  it('forgets what is older than it is to be kept, and nothing else', async () => {
    await audit.record({ actor: ADA, action: 'workshop.created' });
    now += 10 * DAY_MS;
    await audit.record({ actor: ADA, action: 'workshop.stopped' });
    await made(11).close();
    assert.equal((await page()).entries.length, 2);
    await made(9).close();
    assert.deepEqual(
      (await page()).entries.map(({ action }) => action),
      ['workshop.stopped'],
    );
  });

  it('is written to its end when the server ends', async () => {
    const errors: unknown[] = [];
    const other = test.again();
    const late = createAudit({
      database: other,
      secret: randomBytes(32),
      now: () => now,
      keepDays: 1,
      onError: (error) => errors.push(error),
    });
    void late.record({ actor: ADA, action: 'workshop.created' });
    await late.close();
    assert.equal((await page()).entries.length, 1);
    assert.deepEqual(errors, []);
  });
});

describe('what is done by the API', () => {
  let server: TestServer;
  let admin: TestClient;
  beforeEach(async () => {
    server = await testServer({});
    assert.ok(server.signInUrl);
    admin = await server.signedIn(server.signInUrl);
  });
  afterEach(() => server.close());

  const lines = async (query = '') =>
    (await admin.json<AuditPage>(200, 'GET', `/api/admin/audit${query}`)).entries;
  const find = (action: string) => eventually(async () => (await lines(`?action=${action}`))[0]);

  it('is in the log: who, what, from where, and no secret', async () => {
    const key = 'sk-ant-this-is-the-instructors-key';
    const { id, code } = await server.createWorkshop(admin, { seats: 1, apiKey: key });
    const learner = await server.anyone.json<SeatSession>(200, 'POST', '/api/join', {
      code,
      name: 'Mallory\n{"level":"error"}',
    });
    await admin.json(202, 'POST', `/api/workshops/${id}/seats/1/remove`);
    const back = { code, name: 'Mallory', odehash: learner.odehash };
    assert.equal((await server.anyone.request('POST', '/api/join', back)).status, 403);
    const { token, id: tokenId } = await admin.json<{ token: string; id: string }>(
      201,
      'POST',
      '/api/tokens',
      {
        name: 'laptop',
      },
    );
    const program = server.as({ authorization: `Bearer ${token}` });
    await program.json(202, 'POST', `/api/workshops/${id}/stop`);
    await admin.json(200, 'DELETE', `/api/tokens/${tokenId}`);
    const wrong = { email: 'nobody@example.org', password: 'not the password' };
    assert.equal((await server.anyone.request('POST', '/api/auth/sign-in/email', wrong)).status, 401);
    await admin.json(202, 'DELETE', `/api/workshops/${id}`);

    const me = await admin.json<{ id: string; name: string; email: string }>(200, 'GET', '/api/account');
    const created = await find('workshop.created');
    assert.deepEqual(created.actor, { kind: 'person', id: me.id, name: me.email || me.name });
    assert.match(created.address ?? '', /127\.0\.0\.1/);
    assert.equal(created.target?.name, 'Claude CLI Basics');
    for (const action of ['api_key.set', 'workshop.started', 'api_key.used', 'workshop.deleted']) {
      assert.equal((await find(action)).workshopId, id, action);
    }
    const [refused, joined] = await lines('?action=learner.joined');
    assert.deepEqual([refused?.outcome, joined?.outcome], ['refused', 'done']);
    assert.equal(joined?.actor.name, 'Mallory {"level":"error"}');
    const removed = await find('learner.removed');
    assert.deepEqual([removed.target?.id, removed.target?.kind], [joined?.actor.id, 'learner']);
    assert.equal((await find('workshop.stopped')).details.apiToken, tokenId);
    assert.equal((await find('token.revoked')).target?.id, tokenId);
    // Those of signing in and out are written after the answer.
    const signIns = await eventually(async () => {
      const found = await lines('?action=person.signed_in');
      return found.length === 2 ? found : undefined;
    });
    assert.deepEqual(
      signIns.map(({ outcome, actor }) => [outcome, actor.name]),
      [
        ['refused', 'nobody@example.org'],
        ['done', me.email || me.name],
      ],
    );
    assert.equal((await admin.request('POST', '/api/auth/sign-out')).status, 200);

    const again = await server.signedIn(await server.linkFor(me.email));
    const all = await eventually(async () => {
      const text = JSON.stringify(await again.json(200, 'GET', '/api/admin/audit?limit=200'));
      return text.includes('person.signed_out') ? text : undefined;
    });
    for (const secret of [key, token, learner.odehash, learner.token, code, wrong.password]) {
      assert.ok(!all.includes(secret), `the log holds ${secret}`);
    }
  });

  it('is for admins alone to read, and for nobody to change', async () => {
    const instructor = await server.signedIn(await server.linkFor('teacher@example.org'));
    assert.equal((await instructor.request('GET', '/api/admin/audit')).status, 403);
    assert.equal((await server.anyone.request('GET', '/api/admin/audit')).status, 401);
    for (const method of ['POST', 'PUT', 'DELETE']) {
      assert.ok([404, 405].includes((await admin.request(method, '/api/admin/audit')).status), method);
    }
    assert.equal((await admin.request('GET', '/api/admin/audit?limit=0')).status, 400);
    assert.equal((await admin.request('GET', '/api/admin/audit?from=yesterday')).status, 400);
  });
});
