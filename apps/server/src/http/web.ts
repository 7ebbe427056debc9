import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PublicError } from '@clarateach/contract/errors';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './api-routes.ts';
import type { PagePolicy } from './security-headers.ts';

const NOT_PAGES = /^\/(api|debug|\.well-known|metrics|assets)(\/|$)/;
const A_YEAR = 'public, max-age=31536000, immutable';
/** The build puts this where the nonce of each answer belongs. */
const NONCE_MARK = '__CSP_NONCE__';
const PAGE = 'index.html';

/** Serves the web app; every address that is not a file and not the API's is one of its pages. */
export async function mountWeb(
  app: FastifyInstance,
  directory: string,
  pagePolicy: PagePolicy,
): Promise<void> {
  const page = join(directory, PAGE);
  const built = existsSync(page);
  if (built) {
    await app.register(fastifyStatic, {
      root: directory,
      preCompressed: true,
      cacheControl: false,
      index: false,
      // Without its nonce the page is not whole.
      allowedPath: (path) => path !== `/${PAGE}`,
      setHeaders(reply, path) {
        // Names of built assets change with their content; everything else is asked for again.
        reply.header('cache-control', path.includes('/assets/') ? A_YEAR : 'no-cache');
      },
    });
  }

  const sendPage = async (reply: FastifyReply): Promise<FastifyReply> => {
    const nonce = randomBytes(16).toString('base64url');
    const html = (await readFile(page, 'utf8')).replaceAll(NONCE_MARK, nonce);
    return reply
      .headers({
        'content-security-policy': pagePolicy(nonce),
        'content-type': 'text/html; charset=utf-8',
        'cache-control': 'no-cache',
      })
      .send(html);
  };

  app.setNotFoundHandler(async (request, reply) => {
    if (!isPage(request)) {
      return sendError(request, reply, new PublicError('not_found', 'There is nothing at this address.'));
    }
    if (built) return sendPage(reply);
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
