import type { SeatSession } from '@clarateach/contract/join';

/** `<endpoint>/vm/<seat>`, absolute; `endpoint` may be a path of the page's own server. */
export function seatBase({ endpoint, seat }: Pick<SeatSession, 'endpoint' | 'seat'>, page: string): string {
  return new URL(`${endpoint.replace(/\/+$/, '')}/vm/${seat}`, page).href;
}

/** The same seat by way of the page's own server, which reaches every machine that has seats. */
export function throughServer(session: SeatSession): SeatSession {
  return { ...session, endpoint: `/debug/proxy/${session.workshop.id}` };
}

/** The same address for a WebSocket. */
export function socketUrl(base: string, path: string): string {
  return (base + path).replace(/^http/, 'ws');
}
