import { PublicError } from '@clarateach/contract/errors';
import type { FastifyInstance, HTTPMethods } from 'fastify';
import { sendError } from './api-routes.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const satisfies HTTPMethods[];
/** The web app's files and pages have a handler of their own. */
const OURS = /^\/(api|\.well-known|metrics)(\/|$)/;

/**
 * Answers 405 with `Allow` where a path is known and only the method is not. Called before any
 * route is made; what it returns is called after the last one.
 */
export function refuseOtherMethods(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    if (!OURS.test(url)) return;
    const methods = known.get(url) ?? new Set();
    for (const each of [method].flat()) methods.add(each);
    known.set(url, methods);
  });
  return () => {
    // The routes that follow are not among those that are known.
    const paths = [...known].map(([url, methods]) => [url, [...methods]] as const);
    for (const [url, own] of paths) {
      // `/api/session/renew` is also what `/api/session/:code` matches.
      const wider = paths.filter(([other]) => other !== url && matches(other, url));
      const allowed = new Set([...own, ...wider.flatMap(([, methods]) => methods)]);
      const others = METHODS.filter((method) => !allowed.has(method));
      const allow = [...allowed, 'OPTIONS'].join(', ');
      app.route({
        method: others,
        url,
        // Before the body is looked at: whatever it is, it is not wanted.
        onRequest: async (request, reply) => {
          reply.header('allow', allow);
          const message = `This address answers ${[...allowed].join(' and ')} only.`;
          return sendError(request, reply, new PublicError('method_not_allowed', message));
        },
        handler: async () => undefined,
      });
    }
  };
}

function matches(pattern: string, url: string): boolean {
  const [parts, given] = [pattern.split('/'), url.split('/')];
  return (
    parts.length === given.length && parts.every((part, at) => part.startsWith(':') || part === given[at])
  );
}
