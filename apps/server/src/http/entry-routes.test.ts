import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type {
  HandOverLink,
  ImportResult,
  MadeRegistration,
  RegistrationList,
} from '@clarateach/contract/entry';
import type { ErrorBody } from '@clarateach/contract/errors';
import type { SeatSession } from '@clarateach/contract/join';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { type TestClient, type TestServer, testServer } from '../testing/server.ts';

describe('entry over HTTP', () => {
  let server: TestServer;
  let admin: TestClient;
  let workshop: WorkshopDetails;
  before(async () => {
    server = await testServer({});
    admin = await server.signedIn(server.signInUrl ?? '');
    workshop = await server.createWorkshop(admin, { seats: 3, entry: 'registered' });
  });
  after(() => server.close());

  const refusal = async (client: TestClient, method: string, path: string, body?: object) => {
    const answer = await client.request(method, path, body);
    const { error } = (await answer.json()) as ErrorBody;
    return [answer.status, error.code, error.field];
  };

  it('anyone registers, joins by the access code, and is handed the seat in another browser', async () => {
    const { code, id } = workshop;
    const { anyone } = server;
    assert.deepEqual(await refusal(anyone, 'POST', '/api/join', { code, name: 'Ada' }), [
      403,
      'registration_required',
      undefined,
    ]);
    assert.deepEqual(await refusal(anyone, 'POST', '/api/register', { code, name: ' ' }), [
      400,
      'invalid_input',
      'name',
    ]);
    assert.deepEqual(await refusal(anyone, 'POST', '/api/register', { code, name: 'Ada', email: 'x' }), [
      400,
      'invalid_input',
      'email',
    ]);
    const made = await anyone.json<MadeRegistration>(201, 'POST', '/api/register', {
      code: code.toLowerCase(),
      name: 'Ada',
      email: '',
    });
    assert.deepEqual([made.state, made.mailed, made.place], ['confirmed', false, null]);
    const session = await anyone.json<SeatSession>(200, 'POST', '/api/join', {
      code: made.accessCode,
      name: 'Ada',
    });
    const { url } = await admin.json<HandOverLink>(
      201,
      'POST',
      `/api/workshops/${id}/seats/${session.seat}/hand-over`,
    );
    const token = new URL(url).hash.slice(1);
    const taken = await anyone.json<SeatSession>(200, 'POST', '/api/hand-over', { token });
    assert.deepEqual([taken.seat, taken.endsAt], [session.seat, session.endsAt]);
    assert.deepEqual(await refusal(anyone, 'POST', '/api/hand-over', { token }), [
      404,
      'not_found',
      undefined,
    ]);
    const old = server.as({ authorization: `Bearer ${session.token}` });
    assert.deepEqual(await refusal(old, 'POST', '/api/session/renew'), [403, 'removed', undefined]);
    for (const secret of [made.accessCode, token]) {
      assert.ok(!server.logLines.join('').includes(secret), 'it is in the log');
    }
  });

  it('a list is imported by lines and comes back as a CSV file', async () => {
    const path = `/api/workshops/${workshop.id}/registrations`;
    const csv = 'name,email\nGrace,grace@example.org\n=cmd(),evil@example.org\n';
    const result = await admin.json<ImportResult>(200, 'POST', `${path}/import`, { csv });
    assert.deepEqual([result.imported, result.problems], [2, []]);
    const { registrations } = await admin.json<RegistrationList>(200, 'GET', path);
    assert.deepEqual(
      registrations.map(({ name, source }) => [name, source]),
      [
        ['Ada', 'self'],
        ['Grace', 'list'],
        ['=cmd()', 'list'],
      ],
    );
    const file = await admin.request('GET', `${path}.csv`);
    assert.equal(file.status, 200);
    assert.match(file.headers.get('content-type') ?? '', /^text\/csv/);
    assert.match(file.headers.get('content-disposition') ?? '', /registrations\.csv/);
    assert.match(await file.text(), /^﻿?name,email.*"'=cmd\(\)"/s);
  });

  it('another instructor finds none of it until the owner adds them, and only an admin sees all', async () => {
    const bob = await server.signedIn(await server.linkFor('bob@example.org'));
    const { id } = workshop;
    const list = `/api/workshops/${id}/registrations`;
    assert.deepEqual(await refusal(bob, 'GET', list), [404, 'not_found', undefined]);
    assert.deepEqual(await refusal(bob, 'GET', `${list}.csv`), [404, 'not_found', undefined]);
    assert.deepEqual(await refusal(bob, 'GET', '/api/workshops?scope=all'), [403, 'forbidden', undefined]);
    await admin.json(201, 'POST', `/api/workshops/${id}/instructors`, { email: 'bob@example.org' });
    await bob.json(200, 'GET', list);
    assert.deepEqual(await refusal(bob, 'DELETE', `/api/workshops/${id}`), [403, 'forbidden', undefined]);
    await server.createWorkshop(bob, { name: 'Bob’s', seats: 1 });
    const names = async (path: string) =>
      (await admin.json<{ workshops: { name: string }[] }>(200, 'GET', path)).workshops.map(
        ({ name }) => name,
      );
    assert.deepEqual(await names('/api/workshops'), [workshop.name]);
    assert.deepEqual(await names('/api/workshops?scope=all'), ['Bob’s', workshop.name]);
  });
});
