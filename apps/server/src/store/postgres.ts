import { PublicError } from '@clarateach/contract/errors';
import { type Dialect, PostgresDialect } from 'kysely';
import pg from 'pg';

const INT8 = 20;
const MAX_CONNECTIONS = 20;
const CONNECT_TIMEOUT_MS = 5_000;
const QUERY_TIMEOUT_MS = 15_000;

/** PostgreSQL says these when it, or the way to it, goes away; the statement may be tried again later. */
const GONE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENOENT',
  '57P01',
  '57P02',
  '57P03',
  '53300',
]);

/** Pooled connections that are made anew after a loss. `url` may ask for TLS by `sslmode`. */
export function openPostgres(url: string, onConnectionError: (error: Error) => void): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'clarateach',
    types: {
      // Times and revisions fit in a double; strings of digits would leak into the API.
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
    } as pg.CustomTypesConfig,
  });
  // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
  pool.on('error', onConnectionError);
  pool.on('connect', (client) => {
    // A connection that breaks in use also rejects its query, which is where it is handled.
    client.on('error', () => undefined);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      const result = query(...args);
      return result instanceof Promise ? result.catch(rethrow) : result;
    }) as typeof client.query;
  });
  return new PostgresDialect({
    pool: {
      options: pool.options,
      connect: () => pool.connect().catch(rethrow),
      end: () => pool.end(),
    },
  });
}

function rethrow(cause: unknown): never {
  throw isConnectionLoss(cause) ? databaseUnavailable(cause) : cause;
}

function isConnectionLoss(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isConnectionLoss);
  const { code, message } = error as { code?: string; message?: string };
  if (code !== undefined) return GONE.has(code) || code.startsWith('08');
  // The driver gives its own losses and timeouts no code.
  return /^(Connection terminated|Client has encountered a connection error|timeout (exceeded|expired)|Query read timeout)/.test(
    message ?? '',
  );
}

function databaseUnavailable(cause: unknown): PublicError {
  return new PublicError(
    'unavailable',
    'The server cannot reach its database just now. Open terminals go on working; try again in a few seconds.',
    { retryAfterSeconds: 5, cause },
  );
}
