import type { IncomingMessage, ServerResponse } from 'node:http';
import { PublicError } from '@clarateach/contract/errors';

/** Origins that may use seats from a browser: exact ones, or a rule. */
export type AllowedOrigins = readonly string[] | ((origin: string, request: IncomingMessage) => boolean);

const METHODS = 'GET, HEAD, PUT, POST, DELETE, OPTIONS';
const REQUEST_HEADERS =
  'Authorization, Content-Type, Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since';
const RESPONSE_HEADERS =
  'ETag, Content-Range, Content-Length, Content-Disposition, Accept-Ranges, Last-Modified, Retry-After, X-Request-Id';

export interface Cors {
  allows(origin: string, req: IncomingMessage): boolean;
  /** Throws `foreign_origin` for a browser page that may not use seats. Programs send no origin. */
  check(req: IncomingMessage): void;
  /** Headers for an answer to this request, as name/value pairs. */
  headers(req: IncomingMessage): readonly string[];
  /** Answers `OPTIONS`. */
  preflight(req: IncomingMessage, res: ServerResponse): void;
}

const NO_ORIGIN: readonly string[] = ['Vary', 'Origin'];

export function createCors(allowed: AllowedOrigins): Cors {
  const list = typeof allowed === 'function' ? undefined : new Set(allowed);
  function allows(origin: string, req: IncomingMessage): boolean {
    return list
      ? list.has(origin)
      : (allowed as (origin: string, request: IncomingMessage) => boolean)(origin, req);
  }
  function headers(req: IncomingMessage): readonly string[] {
    const { origin } = req.headers;
    if (origin === undefined || !allows(origin, req)) return NO_ORIGIN;
    return [
      'Access-Control-Allow-Origin',
      origin,
      'Access-Control-Expose-Headers',
      RESPONSE_HEADERS,
      'Vary',
      'Origin',
    ];
  }
  return {
    allows,
    headers,
    check(req) {
      const { origin } = req.headers;
      if (origin !== undefined && !allows(origin, req)) {
        throw new PublicError('foreign_origin', 'Pages of this origin may not use the seats of this server.');
      }
    },
    preflight(req, res) {
      const answer = [...headers(req)];
      if (answer.length > NO_ORIGIN.length) {
        answer.push('Access-Control-Allow-Methods', METHODS, 'Access-Control-Allow-Headers', REQUEST_HEADERS);
        answer.push('Access-Control-Max-Age', '600');
      }
      answer.push('Allow', METHODS);
      res.writeHead(204, answer);
      res.end();
      req.resume();
    },
  };
}
