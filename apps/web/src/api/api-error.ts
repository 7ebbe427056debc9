import type { ErrorBody, ErrorCode, FieldProblem } from '@clarateach/contract/errors';

/** `offline`: the server was not reached. `unknown`: it answered with something that is not ours. */
export type ApiErrorCode = ErrorCode | 'offline' | 'unknown';

interface ApiErrorDetails {
  readonly status?: number | undefined;
  readonly requestId?: string | undefined;
  readonly problems?: readonly FieldProblem[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
  readonly cause?: unknown;
}

/** An answer of the server that is not a success, or no answer at all (`status` 0). */
export class ApiError extends Error {
  readonly code: ApiErrorCode;
  readonly status: number;
  readonly requestId: string | undefined;
  /** Every field that is wrong. */
  readonly problems: readonly FieldProblem[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ApiErrorCode, message: string, details: ApiErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'ApiError';
    this.code = code;
    this.status = details.status ?? 0;
    this.requestId = details.requestId;
    this.problems = details.problems ?? [];
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

export function offline(cause: unknown): ApiError {
  return new ApiError(
    'offline',
    'The server cannot be reached. Nothing is lost: check the network and try again.',
    { cause },
  );
}

/** Reads `{error: {code, message, requestId, …}}`; undefined for any other body. */
export function readErrorBody(body: unknown, status: number): ApiError | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  const { error } = body as Partial<ErrorBody>;
  if (!error || typeof error.code !== 'string' || typeof error.message !== 'string') return undefined;
  return new ApiError(error.code as ErrorCode, error.message, {
    status,
    requestId: error.requestId,
    problems:
      error.problems ?? (error.field === undefined ? [] : [{ field: error.field, message: error.message }]),
    retryAfterSeconds: error.retryAfterSeconds,
  });
}

/** The error that a response stands for, whoever wrote its body. */
export async function responseError(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const known = readErrorBody(body, response.status);
  const retryAfter = Number(response.headers.get('Retry-After'));
  if (known) {
    return new ApiError(known.code, known.message, {
      status: known.status,
      requestId: known.requestId,
      problems: known.problems,
      retryAfterSeconds: known.retryAfterSeconds ?? (retryAfter > 0 ? retryAfter : undefined),
    });
  }
  const message =
    typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string'
      ? body.message
      : `The server answered with status ${response.status}. Try again in a moment.`;
  return new ApiError('unknown', message, { status: response.status });
}

/** What to tell a person of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'Something went wrong. Try again.';
}
