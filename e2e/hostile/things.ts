import type { SeatSession } from '@clarateach/contract/join';
import type { TestClient } from '@clarateach/server/testing/server';
import type { Known } from './operations.ts';
import type { HostileRoom } from './room.ts';

/** Numbers people, so that nobody is asked for twice. */
let people = 0;

/**
 * New things for one call of a path to name: the owner's, or an admin's where only admins have such.
 * A call may use them up, so each gets its own.
 */
export async function thingsFor(
  { server, admin }: HostileRoom,
  owner: TestClient,
  path: string,
): Promise<Known> {
  const someone = `someone-${++people}@example.org`;
  if (path.startsWith('/api/tokens')) {
    const { id } = await owner.json<{ id: string }>(201, 'POST', '/api/tokens', { name: 'to be revoked' });
    return { id };
  }
  if (path.startsWith('/api/account/sessions')) {
    const { sessions } = await owner.json<{ sessions: { id: string }[] }>(
      200,
      'GET',
      '/api/account/sessions',
    );
    return { id: sessions[0]?.id ?? '' };
  }
  if (path.startsWith('/api/admin/people/invitations/')) {
    return { id: await invitation(admin.program, someone) };
  }
  if (path.startsWith('/api/admin/people')) {
    const person = await server.signedIn(await server.linkFor(someone));
    const { id } = await person.json<{ id: string }>(200, 'GET', '/api/account');
    return { id };
  }
  const { id, code } = await server.createWorkshop(owner, { seats: 2 });
  const { token, odehash } = await joined(server.anyone, code, 'Fay');
  return {
    ...{ id, workshop: id, seat: 1, odehash, token },
    // A new workshop gets a code of its own; what learners do is about this one.
    code: path === '/api/workshops' ? '' : code,
    ...(path.includes('{registration}')
      ? { registration: await registration(server.anyone, owner, id) }
      : {}),
    ...(path.includes('{removal}') ? { removal: await removal(server.anyone, owner, id) } : {}),
  };
}

export function joined(anyone: TestClient, code: string, name: string): Promise<SeatSession> {
  return anyone.json<SeatSession>(200, 'POST', '/api/join', { code, name });
}

/** Somebody on the workshop's list. */
export async function registration(anyone: TestClient, owner: TestClient, id: string): Promise<string> {
  const { code } = await owner.json<{ code: string }>(200, 'GET', `/api/workshops/${id}`);
  await anyone.json(201, 'POST', '/api/register', { code, name: 'Rae', email: 'rae@example.org' });
  const { registrations } = await owner.json<{ registrations: { id: string }[] }>(
    200,
    'GET',
    `/api/workshops/${id}/registrations`,
  );
  return registrations[0]?.id ?? '';
}

/** Somebody who sat at the workshop's last free seat, until they were removed. */
export async function removal(anyone: TestClient, owner: TestClient, id: string): Promise<string> {
  const { code } = await owner.json<{ code: string }>(200, 'GET', `/api/workshops/${id}`);
  const { seat } = await joined(anyone, code, 'Zed');
  await owner.json(202, 'POST', `/api/workshops/${id}/seats/${seat}/remove`);
  const { removals } = await owner.json<{ removals: { id: string }[] }>(
    200,
    'GET',
    `/api/workshops/${id}/removals`,
  );
  return removals[0]?.id ?? '';
}

export async function invitation(admin: TestClient, email: string): Promise<string> {
  const { id } = await admin.json<{ id: string }>(201, 'POST', '/api/admin/people/invitations', { email });
  return id;
}
