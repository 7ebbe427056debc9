import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PROVIDER_CALLBACK_PATH, type Provider } from '../people/provider.ts';

/** Signing in with an identity provider: two addresses that browsers are led through. */
export function mountProvider(app: FastifyInstance, provider: Provider | undefined): void {
  if (!provider) return;
  const from = (request: FastifyRequest) => ({ headers: request.headers, address: request.ip });
  const redirect = (reply: FastifyReply, to: { location: string; cookies: readonly string[] }) =>
    reply
      .headers({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        ...(to.cookies.length > 0 ? { 'set-cookie': [...to.cookies] } : {}),
      })
      .redirect(to.location, 303);

  app.get('/api/auth/provider', async (request, reply) => {
    const { next } = request.query as { next?: unknown };
    return redirect(reply, await provider.start(ownPath(next), from(request)));
  });

  app.get(PROVIDER_CALLBACK_PATH, async (request, reply) => {
    const query = request.url.split('?', 2)[1] ?? '';
    return redirect(reply, await provider.callback(query, from(request)));
  });
}

/** Only a path of this site, so a crafted link cannot lead elsewhere. */
function ownPath(next: unknown): string {
  if (typeof next !== 'string' || !next.startsWith('/')) return '/';
  const url = URL.parse(next, 'https://this.site');
  return url?.origin === 'https://this.site' ? url.pathname + url.search : '/';
}
