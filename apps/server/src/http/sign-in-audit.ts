import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Audit, AuditEvent } from '../audit/audit.ts';
import type { People } from '../people/people.ts';
import type { Database } from '../store/database.ts';

const AUTH_PATH = '/api/auth/';

/**
 * Writes down who signed in and out, by whatever way: whoever is given a session cookie below
 * `/api/auth/` has signed in. Add it before the routes that it watches.
 */
export function mountSignInAudit(
  app: FastifyInstance,
  deps: { readonly audit: Audit; readonly people: People; readonly database: Database },
): void {
  const { audit, people } = deps;
  const leaving = new WeakMap<FastifyRequest, AuditEvent['actor']>();

  const personWith = async (cookie: string | undefined): Promise<AuditEvent['actor'] | undefined> => {
    const person = cookie === undefined ? undefined : await people.authenticate({ cookie });
    if (!person) return undefined;
    const user = await deps.database.db
      .selectFrom('users')
      .select(['email', 'name'])
      .where('id', '=', person.userId)
      .executeTakeFirst();
    return { kind: 'person', id: person.userId, name: user?.email || (user?.name ?? '') };
  };

  app.addHook('preHandler', async (request) => {
    if (!wayOf(request).includes('sign-out')) return;
    // Afterwards nobody can tell whose session it was.
    const actor = await personWith(request.headers.cookie).catch(() => undefined);
    if (actor) leaving.set(request, actor);
  });

  app.addHook('onResponse', async (request, reply) => {
    const way = wayOf(request);
    if (way === '') return;
    const { ip: address } = request;
    const left = leaving.get(request);
    if (left && reply.statusCode < 400) {
      await audit.record({ actor: left, action: 'person.signed_out', address });
      return;
    }
    if (way.includes('sign-out')) return;
    const { email } = (request.body ?? {}) as { email?: unknown };
    const typed = typeof email === 'string' ? email.toLowerCase() : '';
    const actor = await personWith(givenCookie(reply.getHeader('set-cookie'))).catch(() => undefined);
    if (actor) {
      await audit.record({ actor, action: 'person.signed_in', address, details: { way } });
    } else if (isRefusal(way, reply)) {
      await audit.record({
        actor: { kind: 'anyone', name: typed },
        action: 'person.signed_in',
        outcome: 'refused',
        address,
        details: { way },
      });
    }
  });
}

/** The part of the path that names the way to sign in; empty for other requests. */
function wayOf({ routeOptions }: FastifyRequest): string {
  const { url = '' } = routeOptions;
  return url.startsWith(AUTH_PATH) ? url.slice(AUTH_PATH.length) : '';
}

/** Wrong passwords, too many tries, links that are good no longer, and whom the identity provider turned away. */
function isRefusal(
  way: string,
  reply: { readonly statusCode: number; getHeader(name: string): unknown },
): boolean {
  const { statusCode: status } = reply;
  if (way === 'link/open') return status === 403 || status === 404 || status === 429;
  if (status === 401 || status === 429 || (status === 403 && way === 'sign-in/email')) return true;
  return status === 303 && /[?&]error=/.test(String(reply.getHeader('location') ?? ''));
}

function givenCookie(header: unknown): string | undefined {
  const cookies = (Array.isArray(header) ? header : [header]).filter((each) => typeof each === 'string');
  const pairs = cookies.map((cookie) => cookie.split(';', 1)[0] ?? '').filter((pair) => !pair.endsWith('='));
  return pairs.length === 0 ? undefined : pairs.join('; ');
}
