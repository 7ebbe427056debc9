import type { SeatId, WorkshopId } from '@clarateach/contract/ids';
import { PLATFORM_PORTS } from '@clarateach/contract/seat-server';

/** What of a seat a request is for; `preview` asks for addresses, and is also the service of the preview origins. */
export type SeatService = 'terminal' | 'files' | 'browser' | 'preview';

export type Address =
  /** `path` is what the seat is asked for, query included. */
  | {
      readonly kind: 'seat';
      readonly id: SeatId;
      readonly service: SeatService;
      readonly path: string;
    }
  /** An origin of its own for one port of one seat. */
  | { readonly kind: 'preview'; readonly id: SeatId; readonly port: number }
  /** Under the gateway's names, but nothing is there. */
  | { readonly kind: 'nowhere' };

const NOWHERE: Address = { kind: 'nowhere' };
const PATH_BASE = '/debug/proxy/';
const WORKSHOP_PATH = /^(ws-[a-z0-9]{8})(\/vm\/.*)$/s;
const SEAT_PATH = /^\/vm\/([1-9]\d{0,2})\/(terminal|files|browser|preview)(?![^/?])(.*)$/s;
const WORKSHOP_LABEL = /^ws-[a-z0-9]{8}$/;
const PREVIEW_LABEL = /^(\d+)--(\d+)--(ws-[a-z0-9]{8})$/;
/** Dot segments would lead out of the service's own paths once the seat resolves them. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)|\\/i;

function seatAddress(workshop: string, path: string): Address {
  const match = SEAT_PATH.exec(path);
  if (!match) return NOWHERE;
  const seat = Number(match[1]);
  if (seat > 500) return NOWHERE;
  const service = match[2] as SeatService;
  const rest = match[3] ?? '';
  const id = { workshop: workshop as WorkshopId, seat };
  const query = rest.indexOf('?');
  const below = query < 0 ? rest : rest.slice(0, query);
  if (below !== '' && DOT_SEGMENT.test(below)) return NOWHERE;
  switch (service) {
    case 'files':
      // Clients that take `<base>/vm/<seat>/files` as the base of `/files…` mean the same.
      if (below === '/files' || below.startsWith('/files/')) return { kind: 'seat', id, service, path: rest };
      return { kind: 'seat', id, service, path: `/files${rest}` };
    case 'browser':
      return { kind: 'seat', id, service, path: `/${rest.replace(/^\/+/, '')}` };
    case 'terminal':
    case 'preview':
      return below === '' || below === '/' ? { kind: 'seat', id, service, path: `/${service}` } : NOWHERE;
  }
}

function previewAddress(match: RegExpExecArray): Address {
  const port = Number(match[1]);
  const seat = Number(match[2]);
  // One spelling for each origin, so that a cookie can't be carried to another.
  const exact = String(port) === match[1] && String(seat) === match[2];
  const fits = port >= 1 && port <= 65_535 && seat >= 1 && seat <= 500 && !PLATFORM_PORTS.includes(port);
  if (!exact || !fits) return NOWHERE;
  return { kind: 'preview', id: { workshop: match[3] as WorkshopId, seat }, port };
}

/** The host name of an authority, without its port. */
export function hostName(authority: string): string {
  return authority.replace(/:\d+$/, '').toLowerCase();
}

/** `<port>--<seat>--<workshop>.<domain>` */
export function previewHost(domain: string, id: SeatId, port: number): string {
  return `${port}--${id.seat}--${id.workshop}.${domain}`;
}

/**
 * What a request's `Host` and target lead to; undefined when they are not the gateway's. The host
 * goes first: a path on a preview's origin is the learner's own, whatever it looks like.
 * `domain` is such as `localhost:8080`; its port does not matter for what is received.
 */
export function resolveAddress(
  domain: string | undefined,
  host: string | undefined,
  target: string,
): Address | undefined {
  if (domain !== undefined && host !== undefined) {
    const suffix = `.${hostName(domain)}`;
    const name = hostName(host);
    if (name.endsWith(suffix)) {
      const label = name.slice(0, -suffix.length);
      if (WORKSHOP_LABEL.test(label)) return seatAddress(label, target);
      const preview = PREVIEW_LABEL.exec(label);
      if (preview) return target.startsWith('/') ? previewAddress(preview) : NOWHERE;
    }
  }
  if (!target.startsWith(PATH_BASE)) return undefined;
  const match = WORKSHOP_PATH.exec(target.slice(PATH_BASE.length));
  return match ? seatAddress(match[1] as string, match[2] as string) : NOWHERE;
}
