import { OpenAPIHandler } from '@orpc/openapi/fastify';
import { isProcedure } from '@orpc/server';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RequestContext } from './callers.ts';
import { asPublicError, errorAnswer } from './errors.ts';
import type { AppRouter } from './router.ts';

const HEARTBEAT_MS = 15_000;

interface HandlerContext extends RequestContext {
  readonly request: FastifyRequest;
  readonly parameters: readonly string[];
}

/** Mounts each procedure of the contract as a route of its own, so that each has its own metrics. */
export function mountApi(app: FastifyInstance, router: AppRouter, closing: AbortSignal): void {
  const handler = new OpenAPIHandler<HandlerContext>(router, {
    eventIteratorKeepAliveInterval: HEARTBEAT_MS,
    eventIteratorKeepAliveComment: 'alive',
    interceptors: [
      async ({ context, next }) => {
        try {
          const result = await next();
          if (!result.matched) return result;
          return { ...result, response: finish(result.response, context.answer) };
        } catch (thrown) {
          const error = asPublicError(thrown, context);
          logFailure(context.request, error);
          return { matched: true, response: errorAnswer(error, context.request.id) };
        }
      },
    ],
  });

  for (const { method, path } of routesOf(router)) {
    const parameters = [...path.matchAll(/\{(\w+)\}/g)].map((match) => String(match[1]));
    app.route({
      method,
      url: path.replace(/\{(\w+)\}/g, ':$1'),
      handler: async (request, reply) => {
        const { matched } = await handler.handle(request, reply, {
          context: {
            method: request.method,
            headers: request.headers,
            address: request.ip,
            closing,
            answer: { cookies: [] },
            request,
            parameters,
          },
        });
        if (!matched) return reply.callNotFound();
        return reply;
      },
    });
  }
}

/** Only what is ours to repair is logged as an error; a caller's mistake is in the request log. */
export function logFailure(request: FastifyRequest, error: { code: string; cause?: unknown }): void {
  if (error.code === 'internal') request.log.error({ err: error.cause }, 'request failed');
  else if (error.code === 'unavailable' || error.code === 'no_space') {
    request.log.warn({ err: error.cause, code: error.code }, 'request refused');
  }
}

type StandardResponse = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: unknown;
};

function finish(response: StandardResponse, answer: RequestContext['answer']): StandardResponse {
  return {
    ...response,
    status: answer.status ?? response.status,
    headers: {
      ...response.headers,
      'cache-control': 'no-store',
      // A proxy that collects an answer before it passes it on would hold up events.
      'x-accel-buffering': 'no',
      ...(answer.cookies.length > 0 ? { 'set-cookie': [...answer.cookies] } : {}),
    },
  };
}

function* routesOf(router: object): Generator<{ method: 'GET' | 'POST' | 'PUT' | 'DELETE'; path: string }> {
  for (const part of Object.values(router)) {
    if (!isProcedure(part)) {
      yield* routesOf(part);
      continue;
    }
    const { method, path } = part['~orpc'].route;
    if (
      path === undefined ||
      (method !== 'GET' && method !== 'POST' && method !== 'PUT' && method !== 'DELETE')
    ) {
      throw new Error(`A procedure of the contract has no route: ${method} ${path}.`);
    }
    yield { method, path };
  }
}

export function sendError(request: FastifyRequest, reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = asPublicError(thrown);
  logFailure(request, error);
  const { status, headers, body } = errorAnswer(error, request.id);
  // Also where the request came to nothing before any hook ran.
  reply.headers({ ...headers, 'x-request-id': request.id });
  return reply.code(status).type('application/json; charset=utf-8').send(body);
}
