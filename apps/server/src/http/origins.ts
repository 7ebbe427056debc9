import type { IncomingHttpHeaders } from 'node:http';
import { PublicError } from '@clarateach/contract/errors';

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;
const HOST = /^([a-z0-9.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i;

/** The origins of this site, and the others whose pages may use it. */
export interface Origins {
  readonly publicUrl: string;
  /** Host and port under which workshops and previews have names of their own. */
  readonly domain: string;
  /** Whether pages of an origin may use the API and the seats. */
  allows(origin: string, headers: IncomingHttpHeaders): boolean;
  /** Whether an allowed origin is another than the one that was asked, and so needs CORS. */
  isCross(origin: string, headers: IncomingHttpHeaders): boolean;
  /**
   * Throws `foreign_origin` when a page of another site makes the browser change something. A
   * request that names neither an origin nor a site comes from a program, not from a page.
   */
  check(method: string, headers: IncomingHttpHeaders): void;
  /** The origin at which the asker reaches this server. */
  reachedAt(headers: IncomingHttpHeaders): string;
}

export function createOrigins(options: {
  readonly publicUrl: string;
  /** Nobody said how people reach this server, so the address that each of them used is the right one. */
  readonly guessed: boolean;
  readonly others: readonly string[];
}): Origins {
  const { publicUrl, guessed, others } = options;
  const { host: domain, protocol } = new URL(publicUrl);
  const known = new Set([publicUrl, ...others]);

  const isOwn = (origin: string, { host }: IncomingHttpHeaders): boolean =>
    host !== undefined &&
    (origin === `${protocol}//${host}` || (LOOPBACK.test(host) && origin === `http://${host}`));
  const allows = (origin: string, headers: IncomingHttpHeaders): boolean =>
    known.has(origin) || isOwn(origin, headers);

  return {
    publicUrl,
    domain,
    allows,
    isCross: (origin, headers) => allows(origin, headers) && !isOwn(origin, headers),

    check(method, headers) {
      if (SAFE_METHODS.has(method)) return;
      const { origin } = headers;
      const site = headers['sec-fetch-site'];
      const foreign =
        origin === undefined
          ? site !== undefined && site !== 'same-origin' && site !== 'none'
          : !allows(origin, headers);
      if (foreign) {
        throw new PublicError(
          'foreign_origin',
          'Pages of another site may not do this. Nothing was changed; use this site itself.',
        );
      }
    },

    reachedAt({ host }) {
      if (host === undefined || host.toLowerCase() === domain) return publicUrl;
      const usable = LOOPBACK.test(host) || (guessed && HOST.test(host));
      return usable ? `http://${host.toLowerCase()}` : publicUrl;
    },
  };
}
