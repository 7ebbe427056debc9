import { PublicError } from '@clarateach/contract/errors';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { People } from '../people/people.ts';
import { SIGN_IN_LINK_PATH } from '../people/sign-in-links.ts';
import type { Origins } from './origins.ts';

const signInBody = z.object({ email: z.string().max(200), password: z.string().max(128) });
const linkQuery = z.object({ token: z.string().min(1).max(200) });

/** Signing in and out, for browsers. */
export function mountAuth(
  app: FastifyInstance,
  deps: { readonly people: People; readonly origins: Origins },
): void {
  const { people, origins } = deps;

  app.post('/api/auth/sign-in/email', async (request, reply) => {
    origins.check(request.method, request.headers);
    const credentials = signInBody.safeParse(request.body);
    if (!credentials.success) {
      const field = credentials.error.issues[0]?.path.join('.') ?? '';
      throw new PublicError('invalid_input', 'Send e-mail address and password.', { field });
    }
    const cookies = await people.signIn(credentials.data, { headers: request.headers, address: request.ip });
    return reply
      .headers({ 'set-cookie': [...cookies], 'cache-control': 'no-store' })
      .send({ signedIn: true });
  });

  app.post('/api/auth/sign-out', async (request, reply) => {
    origins.check(request.method, request.headers);
    const cookies = await people.signOut(request.headers);
    return reply
      .headers({ 'set-cookie': [...cookies], 'cache-control': 'no-store' })
      .send({ signedIn: false });
  });

  // Only GET: what looks at links before people open them asks with HEAD, and must not use them up.
  app.get(SIGN_IN_LINK_PATH, async (request, reply) => {
    const query = linkQuery.safeParse(request.query);
    const cookies = query.success
      ? await people.openSignInLink(query.data.token, { headers: request.headers, address: request.ip })
      : undefined;
    reply.headers({ 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' });
    if (!cookies) return reply.redirect('/sign-in?error=link', 303);
    return reply.header('set-cookie', [...cookies]).redirect('/', 303);
  });
}
