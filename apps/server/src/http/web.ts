import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PublicError } from '@clarateach/contract/errors';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { sendError } from './api-routes.ts';

const NOT_PAGES = /^\/(api|debug|\.well-known|metrics|assets)(\/|$)/;
const A_YEAR = 'public, max-age=31536000, immutable';

/** Serves the web app; every address that is not a file and not the API's is one of its pages. */
export async function mountWeb(app: FastifyInstance, directory: string): Promise<void> {
  const built = existsSync(join(directory, 'index.html'));
  if (built) {
    await app.register(fastifyStatic, {
      root: directory,
      preCompressed: true,
      cacheControl: false,
      index: 'index.html',
      setHeaders(reply, path) {
        // Names of built assets change with their content; everything else is asked for again.
        reply.header('cache-control', path.includes('/assets/') ? A_YEAR : 'no-cache');
      },
    });
  }
  app.setNotFoundHandler((request, reply) => {
    if (!isPage(request)) {
      return sendError(request, reply, new PublicError('not_found', 'There is nothing at this address.'));
    }
    if (built) return reply.sendFile('index.html');
    return reply
      .code(503)
      .type('text/plain; charset=utf-8')
      .send('The web app is not built. Run ./clarateach up, or npm run build. The API works without it.\n');
  });
}

/** A navigation, or a program that takes anything; never a file that does not exist. */
function isPage(request: FastifyRequest): boolean {
  if (request.method !== 'GET' && request.method !== 'HEAD') return false;
  const path = request.url.split('?', 1)[0] ?? '/';
  if (NOT_PAGES.test(path) || /\.[a-z0-9]+$/i.test(path)) return false;
  const accept = request.headers.accept ?? '*/*';
  return accept.includes('text/html') || accept.includes('*/*');
}
