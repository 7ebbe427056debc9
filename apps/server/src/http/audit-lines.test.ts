import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { AuditEntry } from '@clarateach/contract/audit';
import type { HandOverLink, MadeRegistration, RegistrationList } from '@clarateach/contract/entry';
import type { SeatSession } from '@clarateach/contract/join';
import type { SentInvitation } from '@clarateach/contract/people';
import { eventually } from '../testing/control-plane.ts';
import { type TestClient, type TestServer, testServer } from '../testing/server.ts';

const ADMIN = { name: 'Ann', email: 'ann@example.org', password: 'correct horse battery' };

describe('the audit log over HTTP', () => {
  let server: TestServer;
  let admin: TestClient;
  let ben: TestClient;
  const secrets: string[] = [];
  before(async () => {
    server = await testServer({});
    admin = await server.signedIn(server.signInUrl ?? '');
    await admin.json(200, 'PUT', '/api/account', ADMIN);
    ben = await server.signedIn(await server.linkFor('ben@example.org'));
  });
  after(() => server.close());

  const entries = async (): Promise<AuditEntry[]> =>
    (await admin.json<{ entries: AuditEntry[] }>(200, 'GET', '/api/admin/audit?limit=200')).entries;
  /** The lines of these actions, the oldest first, once there are so many. */
  const lines = async (count: number, ...actions: string[]): Promise<AuditEntry[]> => {
    const found = await eventually(async () => {
      const all = (await entries()).filter(({ action }) => actions.includes(action)).reverse();
      return all.length >= count ? all : undefined;
    });
    for (const secret of secrets) assert.ok(!JSON.stringify(found).includes(secret), 'a secret is told');
    return found;
  };
  const named = (found: readonly AuditEntry[]) =>
    found.map(({ action, actor, target }) => [action, actor.kind, actor.name, target?.name]);

  it('has what is done about registrations and seats, without codes and links', async () => {
    const { anyone } = server;
    const { id, code } = await server.createWorkshop(ben, { name: 'Shells', seats: 1, entry: 'registered' });
    const about = `/api/workshops/${id}`;
    const settings = { entry: 'registered', registrationCap: 5, questions: [] };
    await ben.json(200, 'PUT', `${about}/entry`, settings);
    const ada = await anyone.json<MadeRegistration>(201, 'POST', '/api/register', { code, name: 'Ada' });
    const eve = await anyone.json<MadeRegistration>(201, 'POST', '/api/register', { code, name: 'Eve' });
    await anyone.json(200, 'POST', '/api/register/cancel', { code: eve.accessCode });
    await ben.json(200, 'POST', `${about}/registrations/import`, { csv: 'name\nList' });
    assert.equal((await ben.request('GET', `${about}/registrations.csv`)).status, 200);
    const session = await anyone.json<SeatSession>(200, 'POST', '/api/join', {
      code: ada.accessCode,
      name: 'Ada',
    });
    const link = await ben.json<HandOverLink>(201, 'POST', `${about}/seats/1/hand-over`);
    const token = link.url.split('#')[1] ?? '';
    const taken = await anyone.json<SeatSession>(200, 'POST', '/api/hand-over', { token });
    const { registrations } = await ben.json<RegistrationList>(200, 'GET', `${about}/registrations`);
    const first = registrations.find(({ name }) => name === 'Ada')?.id;
    const rotated = await ben.json<{ registration: { accessCode: string } }>(
      200,
      'POST',
      `${about}/registrations/${first}/rotate`,
    );
    await ben.json(200, 'POST', `${about}/registrations/${first}/cancel`);
    secrets.push(ada.accessCode, eve.accessCode, token, rotated.registration.accessCode);
    secrets.push(session.odehash, taken.odehash, session.token, taken.token);

    const found = await lines(
      10,
      ...['entry.changed', 'registration.made', 'registration.cancelled', 'registration.imported'],
      ...['registration.exported', 'registration.rotated', 'hand_over.made', 'hand_over.redeemed'],
    );
    const by = 'ben@example.org';
    assert.deepEqual(named(found), [
      ['entry.changed', 'person', by, 'Shells'],
      ['registration.made', 'learner', 'Ada', 'Shells'],
      ['registration.made', 'learner', 'Eve', 'Shells'],
      ['registration.cancelled', 'learner', 'Eve', 'Shells'],
      ['registration.imported', 'person', by, 'Shells'],
      ['registration.exported', 'person', by, 'Shells'],
      ['hand_over.made', 'person', by, 'Ada'],
      ['hand_over.redeemed', 'learner', 'Ada', 'Shells'],
      ['registration.rotated', 'person', by, 'Ada'],
      ['registration.cancelled', 'person', by, 'Ada'],
    ]);
    assert.ok(found.every(({ workshopId, address }) => workshopId === id && address !== null));
    const made = found.find(({ action }) => action === 'hand_over.made');
    assert.deepEqual(made?.details, { seat: 1 });
  });

  it('has an admin’s look at the workshop of another, and who runs it too', async () => {
    const { id } = await server.createWorkshop(ben, { name: 'Private', seats: 1 });
    await admin.json(200, 'GET', `/api/workshops/${id}`);
    await ben.json(200, 'GET', `/api/workshops/${id}`);
    const [view, ...more] = (await lines(1, 'workshop.viewed')).filter(({ workshopId }) => workshopId === id);
    assert.deepEqual([view?.actor.name, view?.target?.name, more], [ADMIN.email, 'Private', []]);

    const { userId } = await ben.json<{ userId: string }>(201, 'POST', `/api/workshops/${id}/instructors`, {
      email: ADMIN.email,
    });
    await ben.json(200, 'DELETE', `/api/workshops/${id}/instructors/${userId}`);
    assert.deepEqual(named(await lines(2, 'co_instructor.added', 'co_instructor.removed')), [
      ['co_instructor.added', 'person', 'ben@example.org', ADMIN.email],
      ['co_instructor.removed', 'person', 'ben@example.org', ADMIN.email],
    ]);
  });

  it('has invitations, accounts and sessions, and ways to sign in', async () => {
    const { anyone } = server;
    const invite = (email: string) =>
      admin.json<SentInvitation>(201, 'POST', '/api/admin/people/invitations', { email });
    const cleo = await invite('cleo@example.org');
    const dan = await invite('dan@example.org');
    await admin.json(200, 'DELETE', `/api/admin/people/invitations/${dan.id}`);
    const token = cleo.link?.split('#')[1] ?? '';
    // What a rule looks up beforehand is not checked yet.
    await anyone.json(400, 'POST', '/api/auth/link/open', {});
    const open = { token, name: 'Cleo', password: 'a password of ten' };
    secrets.push(token, open.password, ADMIN.password);
    await anyone.json(200, 'POST', '/api/auth/link/open', open);
    await anyone.json(404, 'POST', '/api/auth/link/open', open);
    const credentials = { email: 'cleo@example.org', password: open.password };
    await anyone.json(200, 'POST', '/api/auth/sign-in/email', credentials);
    await anyone.json(401, 'POST', '/api/auth/sign-in/email', {
      ...credentials,
      password: 'wrong, all of it',
    });

    const { people } = await admin.json<{ people: { id: string; email: string }[] }>(
      200,
      'GET',
      '/api/admin/people',
    );
    const path = `/api/admin/people/${people.find(({ email }) => email === credentials.email)?.id}`;
    await admin.json(200, 'PUT', path, { role: 'admin' });
    await admin.json(200, 'POST', `${path}/end-sessions`);
    await admin.json(200, 'PUT', path, { disabled: true });
    await admin.json(200, 'PUT', path, { disabled: true });
    await admin.json(200, 'DELETE', path);
    await admin.json(200, 'POST', '/api/account/sessions/end-others');

    const by = ADMIN.email;
    const found = await lines(
      9,
      ...['invitation.made', 'invitation.revoked', 'invitation.accepted', 'person.role_changed'],
      ...['session.all_ended', 'person.disabled', 'person.removed', 'session.others_ended'],
    );
    assert.deepEqual(named(found), [
      ['invitation.made', 'person', by, 'cleo@example.org'],
      ['invitation.made', 'person', by, 'dan@example.org'],
      ['invitation.revoked', 'person', by, 'dan@example.org'],
      ['invitation.accepted', 'person', 'cleo@example.org', 'cleo@example.org'],
      ['person.role_changed', 'person', by, 'cleo@example.org'],
      ['session.all_ended', 'person', by, 'cleo@example.org'],
      ['person.disabled', 'person', by, 'cleo@example.org'],
      ['person.removed', 'person', by, 'cleo@example.org'],
      ['session.others_ended', 'person', by, undefined],
    ]);
    // Written once the answer is sent, so those of two answers may change places.
    const signIns = (await lines(6, 'person.signed_in'))
      .map(({ actor, outcome, details }) => `${actor.name} ${outcome} by ${details.way}`)
      .sort();
    assert.deepEqual(signIns.slice(0, 1), [' refused by link/open']);
    assert.deepEqual(
      signIns.filter((line) => line.startsWith('cleo')),
      [
        'cleo@example.org done by link/open',
        'cleo@example.org done by sign-in/email',
        'cleo@example.org refused by sign-in/email',
      ],
    );
    assert.ok(signIns.includes('ben@example.org done by link'));
  });
});
