import { api } from '@clarateach/contract/api';
import { errorBody, type FieldProblem } from '@clarateach/contract/errors';
import { createORPCClient, ORPCError } from '@orpc/client';
import type { ContractRouterClient } from '@orpc/contract';
import { OpenAPILink } from '@orpc/openapi-client/fetch';
import { CommandError, UsageError } from './errors.ts';

export type ApiClient = ContractRouterClient<typeof api>;

export interface ApiAddress {
  /** `http://localhost:8080` */
  readonly url: string;
  /** An API token, `ctk_…`. */
  readonly token: string | undefined;
}

/** A typed client of the server's API. Its calls throw ORPCError; {@link describeApiError} reads them. */
export function apiClient(address: ApiAddress): ApiClient {
  if (!URL.canParse(address.url)) {
    throw new UsageError(
      `The server's address is not a URL: ${address.url}. Give one such as http://localhost:8080.`,
    );
  }
  const link = new OpenAPILink(api, {
    url: address.url.replace(/\/+$/, ''),
    headers: () => (address.token === undefined ? {} : { authorization: `Bearer ${address.token}` }),
    customErrorResponseBodyDecoder: (body, response) => {
      const parsed = errorBody.safeParse(body);
      if (!parsed.success) return null;
      const { code, message, ...data } = parsed.data.error;
      return new ORPCError(code, { status: response.status, message, data });
    },
  });
  return createORPCClient(link);
}

/** An API error in words for the command line. */
export function describeApiError(error: unknown, address: ApiAddress): Error {
  if (error instanceof CommandError || error instanceof UsageError) return error;
  if (error instanceof ORPCError) {
    if (error.status === 401) {
      const how =
        'Make one with `clarateach token create NAME` on the server and give it as CLARATEACH_TOKEN.';
      const what =
        address.token === undefined
          ? 'This needs an API token.'
          : 'The server does not accept this API token.';
      return new CommandError(`${what} ${how}`, { cause: error });
    }
    const { field, problems } = (error.data ?? {}) as { field?: string; problems?: readonly FieldProblem[] };
    const text = (problems ?? [{ field, message: error.message }])
      .map((problem) => `${problem.field === undefined ? '' : `${problem.field}: `}${problem.message}`)
      .join('\n');
    return error.code === 'invalid_input' ? new UsageError(text) : new CommandError(text, { cause: error });
  }
  if (error instanceof TypeError && error.cause !== undefined) {
    return new CommandError(
      `No ClaraTeach server answers at ${address.url}. Start one with \`clarateach up\`, or name another with --url or CLARATEACH_URL.`,
      { cause: error },
    );
  }
  return error instanceof Error ? error : new Error(String(error));
}
