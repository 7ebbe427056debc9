import type { SeatId } from '@clarateach/contract/ids';
import { hostName, previewHost, resolveAddress } from './address.ts';

/**
 * The learner's server believes it is at `http://localhost:<port>`; the browser knows it by the
 * preview's origin. Addresses and cookies are translated where either would notice.
 */
export interface PreviewOrigins {
  /** `http(s)://<port>--<seat>--<workshop>.<domain>` */
  origin(id: SeatId, port: number): string;
  /** An `Origin` that is a preview of the same seat, as the learner's server knows it. */
  toLocal(id: SeatId, origin: string): string | undefined;
  /** An address on the seat's localhost, as the browser knows it; others as they are. */
  toPublic(id: SeatId, address: string): string;
  /** The attributes of the preview's own cookie. */
  readonly cookieName: string;
  ownCookie(value: string): string;
  /** The learner's server's cookie for its own origin alone; undefined for one that would replace the preview's own. */
  learnerCookie(setCookie: string): string | undefined;
  /** The value of the preview's own cookie, and what is left for the learner's server. */
  splitCookies(header: string | undefined): { readonly own: string | undefined; readonly rest: string };
}

const LOCAL_ADDRESS = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\]):(\d{1,5})(?=$|[/?#])(.*)$/is;
const ORIGIN = /^https?:\/\/([^/]+)$/;
const REPLACED = new Set(['domain', 'samesite', 'secure', 'partitioned']);

export function createPreviewOrigins(domain: () => string, scheme: 'http' | 'https'): PreviewOrigins {
  // Browsers take `localhost` for trustworthy, so its cookies may be Secure without TLS. Only such
  // a cookie reaches a preview in the platform's frame, which is another site; Partitioned keeps
  // it inside the site that opened the preview.
  const secure = scheme === 'https' || /(^|\.)localhost$/.test(hostName(domain()));
  const isolation = secure ? '; Secure; SameSite=None; Partitioned' : '; SameSite=Lax';
  const cookieName = secure ? '__Host-clarateach-preview' : 'clarateach-preview';

  function origin(id: SeatId, port: number): string {
    return `${scheme}://${previewHost(domain(), id, port)}`;
  }

  return {
    origin,
    cookieName,
    ownCookie: (value) => `${cookieName}=${value}; Path=/; HttpOnly${isolation}`,
    toLocal(id, value) {
      const host = ORIGIN.exec(value)?.[1];
      const address = host === undefined ? undefined : resolveAddress(domain(), host, '/');
      const same =
        address?.kind === 'preview' && address.id.workshop === id.workshop && address.id.seat === id.seat;
      return same ? `http://localhost:${address.port}` : undefined;
    },
    toPublic(id, value) {
      const local = LOCAL_ADDRESS.exec(value);
      return local ? `${origin(id, Number(local[1]))}${local[2]}` : value;
    },
    learnerCookie(setCookie) {
      const [pair = '', ...attributes] = setCookie.split(';');
      if (pair.split('=', 1)[0]?.trim().toLowerCase() === cookieName.toLowerCase()) return undefined;
      const kept = attributes.filter((attribute) => {
        const name = (attribute.split('=', 1)[0] ?? '').trim().toLowerCase();
        return secure ? !REPLACED.has(name) : name !== 'domain';
      });
      return [pair, ...kept].join(';') + (secure ? isolation : '');
    },
    splitCookies(header) {
      if (header === undefined) return { own: undefined, rest: '' };
      let own: string | undefined;
      const rest: string[] = [];
      for (const part of header.split(';')) {
        const cookie = part.trim();
        if (cookie.startsWith(`${cookieName}=`)) own ??= cookie.slice(cookieName.length + 1);
        else if (cookie !== '') rest.push(cookie);
      }
      return { own, rest: rest.join('; ') };
    },
  };
}
