import { api, type ProcedureMeta } from '@clarateach/contract/api';
import { ERROR_STATUS } from '@clarateach/contract/errors';
import { type OpenAPI, OpenAPIGenerator } from '@orpc/openapi';
import { ZodToJsonSchemaConverter } from '@orpc/zod/zod4';

type Operation = OpenAPI.OperationObject;

const JSON_TYPE = 'application/json';

/** OpenAPI 3.1 of the API, from the contract itself. */
export async function openApiDocument(options: {
  readonly publicUrl: string;
  readonly version: string;
}): Promise<OpenAPI.Document> {
  const generator = new OpenAPIGenerator({ schemaConverters: [new ZodToJsonSchemaConverter()] });
  const document = await generator.generate(api, {
    info: {
      title: 'ClaraTeach',
      version: options.version,
      description:
        'Hands-on workshops. Programs of instructors send `Authorization: Bearer ctk_…`. Every error is ' +
        '`{error: {code, message, requestId}}` with a stable code.',
    },
    servers: [{ url: options.publicUrl }],
    components: {
      securitySchemes: {
        apiToken: { type: 'http', scheme: 'bearer', description: 'An API token: `ctk_…`.' },
        session: { type: 'apiKey', in: 'cookie', name: 'clarateach-session' },
        seatToken: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'A seat token.' },
      },
      schemas: { Error: ERROR_SCHEMA },
    },
  });
  for (const { method, path, meta, operationId } of procedures(api, [])) {
    const item = document.paths?.[path] as Record<string, Operation> | undefined;
    const operation = item?.[method];
    if (!operation) throw new Error(`The document lacks ${method} ${path}.`);
    operation.operationId = operationId;
    operation.tags = [operationId.split('.')[0] ?? ''];
    operation.security = SECURITY[meta.caller];
    operation.responses = { ...operation.responses, ...errorResponses(meta.caller) };
  }
  return { ...document, paths: { ...document.paths, ...OTHER_PATHS } };
}

const ERROR_SCHEMA: OpenAPI.SchemaObject = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'message', 'requestId'],
      properties: {
        code: { type: 'string', enum: Object.keys(ERROR_STATUS) },
        message: {
          type: 'string',
          description: 'For a person: what happened, what is safe, what to do next.',
        },
        requestId: { type: 'string' },
        field: { type: 'string', description: 'For `invalid_input`: the field that is wrong.' },
        problems: {
          type: 'array',
          description: 'For `invalid_input` where several fields are wrong: each of them.',
          items: {
            type: 'object',
            required: ['field', 'message'],
            properties: { field: { type: 'string' }, message: { type: 'string' } },
          },
        },
        retryAfterSeconds: { type: 'number', description: 'When to try again; also in `Retry-After`.' },
      },
    },
  },
};

const SECURITY: Record<ProcedureMeta['caller'], OpenAPI.SecurityRequirementObject[]> = {
  anyone: [],
  learner: [{ seatToken: [] }, {}],
  instructor: [{ apiToken: [] }, { session: [] }],
  admin: [{ apiToken: [] }, { session: [] }],
};

const ERRORS: readonly (readonly [status: string, description: string, signedIn: boolean])[] = [
  [
    '400',
    'The input is wrong: `invalid_input`, with the `field`, and with `problems` where several are wrong.',
    false,
  ],
  ['401', '`unauthenticated`', true],
  ['403', '`forbidden`, `foreign_origin`, `removed` or `registration_required`', false],
  ['404', '`not_found` or `unknown_code`', false],
  ['409', 'What is asked does not fit the state of things; the code says why.', false],
  ['429', '`too_many_attempts`, with `Retry-After`', false],
  ['500', '`internal`', false],
  ['503', '`unavailable`, with `Retry-After`', false],
];

function errorResponses(caller: ProcedureMeta['caller']): Record<string, OpenAPI.ResponseObject> {
  return Object.fromEntries(
    ERRORS.filter(([, , signedIn]) => !signedIn || caller !== 'anyone').map(([status, description]) => [
      status,
      { description, content: { [JSON_TYPE]: { schema: { $ref: '#/components/schemas/Error' } } } },
    ]),
  );
}

/** What is served beside the contract. */
const OTHER_PATHS: OpenAPI.PathsObject = {
  '/api/auth/sign-in/email': {
    post: {
      operationId: 'auth.signIn',
      tags: ['auth'],
      summary: 'Sign in with e-mail address and password; sets the session cookie',
      security: [],
      requestBody: {
        required: true,
        content: {
          [JSON_TYPE]: {
            schema: {
              type: 'object',
              required: ['email', 'password'],
              properties: { email: { type: 'string' }, password: { type: 'string' } },
            },
          },
        },
      },
      responses: { 200: { description: 'OK' }, ...errorResponses('instructor') },
    },
  },
  '/api/auth/sign-out': {
    post: {
      operationId: 'auth.signOut',
      tags: ['auth'],
      summary: 'End the session',
      security: [],
      responses: { 200: { description: 'OK' } },
    },
  },
  '/api/auth/provider': {
    get: {
      operationId: 'auth.provider',
      tags: ['auth'],
      summary:
        'Send a browser to the identity provider, where there is one; `next` is the path to come back to',
      security: [],
      parameters: [{ name: 'next', in: 'query', schema: { type: 'string' } }],
      responses: { 303: { description: 'To the identity provider, or back to the sign-in page' } },
    },
  },
  '/.well-known/jwks.json': {
    get: {
      operationId: 'jwks',
      tags: ['keys'],
      summary: 'Public keys of seat tokens (RFC 7517)',
      security: [],
      responses: { 200: { description: 'OK', content: { [JSON_TYPE]: { schema: { type: 'object' } } } } },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      tags: ['operating'],
      summary: 'Metrics for Prometheus',
      security: [],
      responses: { 200: { description: 'OK', content: { 'text/plain': { schema: { type: 'string' } } } } },
    },
  },
};

interface ProcedureRoute {
  readonly method: string;
  readonly path: string;
  readonly meta: ProcedureMeta;
  readonly operationId: string;
}

interface ContractProcedure {
  readonly '~orpc': {
    readonly route: { readonly method?: string; readonly path?: string };
    readonly meta: ProcedureMeta;
  };
}

function isProcedure(part: object): part is ContractProcedure {
  return '~orpc' in part;
}

function* procedures(router: object, names: readonly string[]): Generator<ProcedureRoute> {
  for (const [name, part] of Object.entries(router)) {
    const path = [...names, name];
    if (!isProcedure(part)) {
      yield* procedures(part, path);
      continue;
    }
    const { route, meta } = part['~orpc'];
    yield {
      method: (route.method ?? 'POST').toLowerCase(),
      path: route.path ?? '',
      meta,
      operationId: path.join('.'),
    };
  }
}
