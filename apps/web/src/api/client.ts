import { routes } from 'virtual:contract-routes';
import type { api } from '@clarateach/contract/api';
import { createORPCClient, ORPCError } from '@orpc/client';
import type { ContractRouterClient } from '@orpc/contract';
import { OpenAPILink } from '@orpc/openapi-client/fetch';
import { ApiError, offline, readErrorBody } from './api-error.ts';
import { ANSWER_MS } from './reach.ts';

const link = new OpenAPILink(routes, {
  url: () => window.location.origin,
  fetch: (request, init) =>
    fetch(request, { ...init, signal: AbortSignal.any([request.signal, AbortSignal.timeout(ANSWER_MS)]) }),
  customErrorResponseBodyDecoder(body, response) {
    const error = readErrorBody(body, response.status);
    return error && new ORPCError(error.code, { status: error.status, message: error.message, cause: error });
  },
  interceptors: [
    async ({ next }) => {
      try {
        return await next();
      } catch (error) {
        throw asApiError(error);
      }
    },
  ],
});

function asApiError(error: unknown): unknown {
  if (error instanceof ORPCError) {
    if (error.cause instanceof ApiError) return error.cause;
    return new ApiError(
      'unknown',
      `The server answered with status ${error.status}. Try again in a moment.`,
      {
        status: error.status,
        cause: error,
      },
    );
  }
  // fetch says TypeError when no answer came.
  const unanswered =
    error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError');
  return unanswered ? offline(error) : error;
}

/** The instructors' API, typed by the contract. Every failure is an {@link ApiError}. */
export const client: ContractRouterClient<typeof api> = createORPCClient(link);
