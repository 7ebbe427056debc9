import { AGENT_ERROR_STATUS, type AgentErrorCode } from '@clarateach/contract/agent-api';
import { ProviderError } from '@clarateach/seats/provider';
import { ZodError } from 'zod';

/** An error that the caller of the agent API can act on. */
export class AgentError extends Error {
  readonly code: AgentErrorCode;
  /** For `method_not_allowed`: the methods that there are. */
  readonly allow: string | undefined;

  constructor(code: AgentErrorCode, message: string, options: ErrorOptions & { allow?: string } = {}) {
    super(message, options);
    this.name = 'AgentError';
    this.code = code;
    this.allow = options.allow;
  }

  get status(): number {
    return AGENT_ERROR_STATUS[this.code];
  }
}

/** Whatever was thrown, as what the caller is told. What nobody expected becomes `internal` and tells nothing. */
export function asAgentError(thrown: unknown): AgentError {
  if (thrown instanceof AgentError) return thrown;
  if (thrown instanceof ProviderError) return new AgentError(thrown.kind, thrown.message, { cause: thrown });
  if (thrown instanceof ZodError) {
    const [issue] = thrown.issues;
    const field = issue?.path.join('.') ?? '';
    const message = issue?.message ?? 'It is not what the API describes';
    return new AgentError(
      'invalid_input',
      `${field === '' ? 'The request' : `"${field}"`} is wrong: ${message}`,
      {
        cause: thrown,
      },
    );
  }
  return new AgentError('internal', 'Something went wrong in the agent; its log says what.', {
    cause: thrown,
  });
}
