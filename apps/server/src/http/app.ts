import { randomUUID } from 'node:crypto';
import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { PublicError } from '@clarateach/contract/errors';
import type { Health } from '@clarateach/contract/health';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import type { Config } from '../config.ts';
import type { Join } from '../join/join.ts';
import type { People } from '../people/people.ts';
import type { Provider } from '../people/provider.ts';
import type { SeatTokens } from '../tokens/seat-tokens.ts';
import type { Jwks } from '../tokens/signing-keys.ts';
import type { Workshops } from '../workshops/workshops.ts';
import { mountApi, sendError } from './api-routes.ts';
import { mountAuth } from './auth-routes.ts';
import type { EntryRoutesDeps } from './entry-routes.ts';
import { refuseOtherMethods } from './known-paths.ts';
import type { MetricSources, Metrics } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import type { Origins } from './origins.ts';
import { mountProvider } from './provider-routes.ts';
import { createRouter, type RouterDeps } from './router.ts';
import { mountSecurityHeaders } from './security-headers.ts';
import { mountSignInAudit } from './sign-in-audit.ts';
import { mountWeb } from './web.ts';

const BODY_LIMIT_BYTES = 1024 * 1024;
const JWKS_SECONDS = 60;

/** Where log lines go; `process.stderr` is one. */
export interface LogDestination {
  write(line: string): void;
}

/** An empty server with its log: JSON lines that hold no header, no query and no secret. */
export function createHttp(options: {
  readonly config: Pick<Config, 'logLevel' | 'trustProxy'>;
  readonly server: Server;
  /** Told the listener that answers what nobody else does. */
  readonly onListener: (listener: RequestListener) => void;
  readonly log: LogDestination;
}): FastifyInstance {
  const { config, server } = options;
  const app = Fastify({
    serverFactory: (listener) => {
      options.onListener(listener);
      return server;
    },
    logger: {
      level: config.logLevel,
      stream: options.log,
      serializers: {
        req: ({ method, url, id }) => ({ method, path: pathOf(url ?? ''), id }),
        res: ({ statusCode }) => ({ statusCode }),
      },
      // Nothing here logs headers; should somebody begin to, these stay out.
      redact: ['authorization', 'cookie', 'set-cookie', 'sec-websocket-protocol'].flatMap((name) => [
        `headers["${name}"]`,
        `*.headers["${name}"]`,
      ]),
    },
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    trustProxy: Array.isArray(config.trustProxy) ? [...config.trustProxy] : (config.trustProxy as boolean),
    bodyLimit: BODY_LIMIT_BYTES,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    clientErrorHandler: (error, socket) => refuseMalformed(error, socket),
    frameworkErrors: (error, request, reply) => {
      sendError(request, reply, error);
    },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 200 },
  });
  return app as unknown as FastifyInstance;
}

export interface AppDeps extends EntryRoutesDeps {
  readonly origins: Origins;
  readonly workshops: Workshops;
  readonly join: Join;
  readonly people: People;
  readonly provider: Provider | undefined;
  readonly seatTokens: SeatTokens;
  readonly jwks: () => Jwks;
  readonly metrics: Metrics;
  readonly metricSources: MetricSources;
  readonly health: () => Promise<Health>;
  readonly version: string;
  readonly seatBase: RouterDeps['seatBase'];
  readonly audit: RouterDeps['audit'];
  readonly database: RouterDeps['database'];
  readonly personalData: RouterDeps['personalData'];
  readonly workers: RouterDeps['workers'];
  /** Origins of workers that pages speak to. */
  readonly workerOrigins: () => readonly string[];
  /** The built web app. */
  readonly webDirectory: string;
  /** Aborted when streams and long waits are to end. */
  readonly closing: AbortSignal;
}

/** Mounts everything that the server answers besides the gateway's traffic. */
export async function mountApp(app: FastifyInstance, deps: AppDeps): Promise<void> {
  const { origins } = deps;
  app.setErrorHandler((error, request, reply) => {
    sendError(request, reply, error);
  });
  takeJsonOnly(app);
  const pagePolicy = mountSecurityHeaders(app, origins, deps.workerOrigins);
  mountCors(app, origins);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    request.log[request.routeOptions.url === '/api/health' ? 'debug' : 'info'](
      {
        method: request.method,
        path: pathOf(request.url),
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'answered',
    );
  });
  const allRoutesAreKnown = refuseOtherMethods(app);
  deps.metrics.mount(app, deps.metricSources);

  const { connections } = deps.metricSources.gateway;
  mountApi(app, createRouter({ ...deps, connections }), deps.closing);
  mountSignInAudit(app, deps);
  mountAuth(app, deps);
  mountProvider(app, deps.provider);

  app.get('/.well-known/jwks.json', async (_request, reply) =>
    reply
      .header('cache-control', `public, max-age=${JWKS_SECONDS}`)
      .header('access-control-allow-origin', '*')
      .send(deps.jwks()),
  );

  let document: ReturnType<typeof openApiDocument> | undefined;
  app.get('/api/openapi.json', async (_request, reply) => {
    document ??= openApiDocument({ publicUrl: origins.publicUrl, version: deps.version });
    return reply.header('access-control-allow-origin', '*').send(await document);
  });

  allRoutesAreKnown();
  await mountWeb(app, deps.webDirectory, pagePolicy);
  await app.ready();
}

/** What is not even HTTP gets an answer of the same form as every other mistake. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const large = error.code === 'HPE_HEADER_OVERFLOW';
  const [line, message] = late
    ? ['408 Request Timeout', 'The request did not arrive in time.']
    : large
      ? ['431 Request Header Fields Too Large', 'The headers of the request are too large.']
      : ['400 Bad Request', 'The request is not valid HTTP.'];
  const body = JSON.stringify(new PublicError('invalid_input', message).body(randomUUID()));
  socket.end(
    `HTTP/1.1 ${line}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** An empty body is an empty object, so that a POST that says only "do it" may call it JSON. */
function takeJsonOnly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) done(null, {});
    else parse(request, body as string, done);
  });
}

/** Pages of the origins in CORS_ORIGINS may use the API as those of the site itself do. */
function mountCors(app: FastifyInstance, origins: Origins): void {
  app.addHook('onRequest', async (request, reply) => {
    if (!request.url.startsWith('/api/')) return;
    const { origin } = request.headers;
    const allowed = origin !== undefined && origins.isCross(origin, request.headers);
    reply.header('vary', 'Origin');
    if (allowed) {
      reply.headers({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-expose-headers': 'Retry-After, X-Request-Id',
      });
    }
    if (request.method !== 'OPTIONS') return;
    if (allowed) {
      reply.headers({
        'access-control-allow-methods': 'GET, POST, PUT, DELETE',
        'access-control-allow-headers': 'Authorization, Content-Type, Last-Event-ID',
        'access-control-max-age': '600',
      });
    }
    return reply.code(204).send();
  });
}

/** For the log: without the query, and without join codes. */
function pathOf(url: string): string {
  return (url.split('?', 1)[0] ?? '').replace(/^(\/api\/session|\/join)\/(?!renew$)[^/]+/, '$1/…');
}
