import { z } from 'zod';

/**
 * Every error that a caller can act on, and the HTTP status it travels under. Codes are stable:
 * clients branch on them, never on the message.
 */
export const ERROR_STATUS = {
  invalid_input: 400,
  path_outside_workspace: 400,
  unauthenticated: 401,
  forbidden: 403,
  foreign_origin: 403,
  removed: 403,
  registration_required: 403,
  not_found: 404,
  unknown_code: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  conflict: 409,
  already_exists: 409,
  code_taken: 409,
  registration_closed: 409,
  on_waiting_list: 409,
  workshop_full: 409,
  workshop_not_running: 409,
  precondition_failed: 412,
  too_large: 413,
  range_not_satisfiable: 416,
  too_many_attempts: 429,
  internal: 500,
  seat_not_running: 503,
  unavailable: 503,
  no_space: 507,
} as const satisfies Record<string, number>;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** One field of a request that is wrong: as a dotted path, and in words for a person. */
const fieldProblem = z.object({ field: z.string(), message: z.string() });
export type FieldProblem = z.infer<typeof fieldProblem>;

/** The body of every error: `{error: {code, message, requestId}}`. */
export const errorBody = z.object({
  error: z.object({
    code: z.string(),
    /** What happened, what is safe and what to do next, for a person. */
    message: z.string(),
    requestId: z.string(),
    /** For `invalid_input`: the field that is wrong, as a dotted path. */
    field: z.string().optional(),
    /** For `invalid_input` where several fields are wrong: each of them once, `field` and `message` first. */
    problems: z.array(fieldProblem).optional(),
    /** For `too_many_attempts` and `unavailable`: when to try again, in seconds; also in `Retry-After`. */
    retryAfterSeconds: z.number().optional(),
  }),
});
export type ErrorBody = z.infer<typeof errorBody>;

interface PublicErrorDetails {
  readonly field?: string;
  readonly problems?: readonly FieldProblem[];
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** An error that the caller can act on. The HTTP edge turns it into a response, once. */
export class PublicError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;
  /** Of several fields; empty where at most one is wrong. */
  readonly problems: readonly FieldProblem[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, details: PublicErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PublicError';
    this.code = code;
    this.field = details.field;
    this.problems = details.problems ?? [];
    this.retryAfterSeconds = details.retryAfterSeconds;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }

  body(requestId: string): ErrorBody {
    return {
      error: {
        code: this.code,
        message: this.message,
        requestId,
        ...(this.field === undefined ? {} : { field: this.field }),
        ...(this.problems.length === 0 ? {} : { problems: [...this.problems] }),
        ...(this.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: this.retryAfterSeconds }),
      },
    };
  }
}

/** Refuses a request for all of its fields that are wrong, at least one. */
export function wrongFields(
  problems: readonly FieldProblem[],
  details: { readonly cause?: unknown } = {},
): PublicError {
  const [first] = problems;
  if (!first) throw new Error('No field is wrong.');
  return new PublicError('invalid_input', first.message, {
    field: first.field,
    ...(problems.length > 1 ? { problems } : {}),
    ...details,
  });
}
