import { type ErrorBody, type FieldProblem, PublicError, wrongFields } from '@clarateach/contract/errors';
import { ORPCError, ValidationError } from '@orpc/server';

/** An answer to a request that failed. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;
}

/** The one place where an error becomes an answer. */
export function errorAnswer(error: PublicError, requestId: string): ErrorAnswer {
  const headers: Record<string, string> = { 'cache-control': 'no-store' };
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  if (error.retryAfterSeconds !== undefined) {
    headers['retry-after'] = String(Math.ceil(error.retryAfterSeconds));
  }
  return { status: error.status, headers, body: error.body(requestId) };
}

/** Whatever was thrown, as what the caller is told. What nobody expected becomes `internal` and tells nothing. */
export function asPublicError(
  thrown: unknown,
  path?: { readonly parameters: readonly string[] },
): PublicError {
  if (thrown instanceof PublicError) return thrown;
  if (thrown instanceof ORPCError) {
    if (thrown.cause instanceof PublicError) return thrown.cause;
    if (thrown.code === 'BAD_REQUEST') return invalidInput(thrown, path?.parameters ?? []);
  }
  return fromFastify(thrown) ?? internal(thrown);
}

function internal(cause: unknown): PublicError {
  return new PublicError(
    'internal',
    'Something went wrong on our side. Nothing of yours is lost; try again, and tell the operator the request id if it stays.',
    { cause },
  );
}

/** Parts of a request that the contract names where a procedure sees them apart. */
const PARTS = new Set(['body', 'query', 'params']);
/** Fields that one answer names: more than any form has, and little enough for a request of nothing but faults. */
const MAX_PROBLEMS = 30;

function invalidInput(error: ORPCError<string, unknown>, parameters: readonly string[]): PublicError {
  const issues = error.cause instanceof ValidationError ? error.cause.issues : [];
  if (issues.length === 0) {
    return new PublicError(
      'invalid_input',
      'The request could not be read. Send JSON as the API describes it.',
      {
        cause: error,
      },
    );
  }
  const problems = new Map<string, FieldProblem>();
  for (const issue of issues) {
    const path = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step));
    const field = (PARTS.has(path[0] ?? '') ? path.slice(1) : path).join('.');
    // What an address names and cannot exist, does not exist.
    if (parameters.includes(field)) return new PublicError('not_found', 'There is nothing at this address.');
    // What is wrong with a field first often brings the rest with it.
    if (problems.has(field) || problems.size === MAX_PROBLEMS) continue;
    problems.set(field, { field, message: inWords(issue.message, field, valueAt(error, path)) });
  }
  const whole = problems.get('');
  if (whole) return new PublicError('invalid_input', whole.message, { cause: error });
  return wrongFields([...problems.values()], { cause: error });
}

/** The contract's own messages are sentences for people; zod's are not, and have to be told of what. */
function inWords(message: string, field: string, value: unknown): string {
  if (/[.!?]$/.test(message)) return message;
  if (value === undefined && field !== '') return `"${field}" is missing.`;
  return field === '' ? `${message}.` : `"${field}" is wrong. ${message}.`;
}

function valueAt({ cause }: ORPCError<string, unknown>, path: readonly string[]): unknown {
  let value: unknown = cause instanceof ValidationError ? cause.data : undefined;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function fromFastify(thrown: unknown): PublicError | undefined {
  const { code, statusCode } = thrown as { code?: unknown; statusCode?: unknown };
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new PublicError('too_large', 'The request is larger than this server takes (1 MiB).', {
        cause: thrown,
      });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new PublicError('invalid_input', 'Send JSON, with the header Content-Type: application/json.', {
        cause: thrown,
      });
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_NOT_FOUND':
      return new PublicError('not_found', 'There is nothing at this address.', { cause: thrown });
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new PublicError('invalid_input', 'The request could not be read. Is its body valid JSON?', {
      cause: thrown,
    });
  }
  return undefined;
}
