import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, createConnection, type Socket } from 'node:net';
import type { Odehash, SeatId, WorkshopId } from '@clarateach/contract/ids';
import { createGateway, type Gateway, type GatewayOptions } from './gateway.ts';
import type { GatewayEvent, SeatRoute, SeatRoutes } from './ports.ts';

/** What the tests of this package share: keys, tokens, routes that change, a mounted gateway. */

export const WORKSHOP = 'ws-abcd2345' as WorkshopId;
export const LEARNER = 'LEARNERA' as Odehash;
export const STRANGER = 'STRANGER' as Odehash;
export const ORIGIN = 'http://localhost:8080';

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const PUBLIC_KEY: KeyObject = pair.publicKey;

function part(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

export function makeToken(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key: KeyObject = pair.privateKey,
): string {
  const now = Math.floor(Date.now() / 1000);
  const body = {
    iss: 'clarateach',
    aud: 'clarateach-seat',
    jti: 'j1',
    iat: now,
    exp: now + 3600,
    workshopId: WORKSHOP,
    seat: 1,
    odehash: LEARNER,
    containerId: `clarateach-${WORKSHOP}-seat-01`,
    vmIp: '',
    ...claims,
  };
  const text = `${part({ alg: 'RS256', typ: 'JWT', kid: 'k1', ...header })}.${part(body)}`;
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`;
}

export interface TestRoutes extends SeatRoutes {
  put(route: Partial<SeatRoute> & { seat?: number }): void;
  drop(seat: number): void;
  readonly refreshed: SeatId[];
  onRefresh: (id: SeatId) => Promise<SeatRoute | undefined>;
}

export function testRoutes(): TestRoutes {
  const known = new Map<number, SeatRoute>();
  const listeners = new Set<(id: SeatId) => void>();
  const refreshed: SeatId[] = [];
  const idOf = (seat: number): SeatId => ({ workshop: WORKSHOP, seat });
  const routes: TestRoutes = {
    refreshed,
    onRefresh: async (id) => routes.find(id),
    find: (id) => (id.workshop === WORKSHOP ? known.get(id.seat) : undefined),
    refresh(id) {
      refreshed.push(id);
      return routes.onRefresh(id);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    put({ seat = 1, endpoint, holder }) {
      known.set(seat, { id: idOf(seat), endpoint, holder });
      for (const listener of listeners) listener(idOf(seat));
    },
    drop(seat) {
      known.delete(seat);
      for (const listener of listeners) listener(idOf(seat));
    },
  };
  return routes;
}

export interface Mounted {
  readonly gateway: Gateway;
  readonly routes: TestRoutes;
  readonly port: number;
  readonly events: GatewayEvent[];
  readonly server: Server;
  close(): Promise<void>;
}

/** A server as the control plane makes it: the gateway first, the API after it. */
export async function mount(options: Partial<GatewayOptions> = {}): Promise<Mounted> {
  const routes = testRoutes();
  const events: GatewayEvent[] = [];
  let port = 0;
  const gateway = createGateway({
    routes,
    keys: { find: (kid) => (kid === 'k1' ? PUBLIC_KEY : undefined) },
    allowedOrigins: [ORIGIN],
    previews: { domain: () => `localhost:${port}`, scheme: 'http', secret: 'a secret for tests' },
    onEvent: (event) => events.push(event),
    ...options,
  });
  const server = createServer((req, res) => {
    if (gateway.handles(req)) gateway.request(req, res);
    else res.end('platform');
  });
  server.on('upgrade', (req: IncomingMessage, socket, head) => gateway.upgrade(req, socket, head));
  port = await listen(server);
  return {
    gateway,
    routes,
    port,
    events,
    server,
    async close() {
      await gateway.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export async function listen(server: Server | import('node:net').Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

export async function until(what: string, condition: () => boolean, ms = 10_000): Promise<void> {
  const deadline = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
}

export function ask(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      );
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** Sends bytes as they are to a port or a path, and collects what comes until the other side ends. */
export function raw(
  at: number | string,
  text: string,
): { socket: Socket; readonly received: () => string; closed: () => boolean } {
  const where = typeof at === 'number' ? { host: '127.0.0.1', port: at } : { path: at };
  const socket = createConnection({ ...where, allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let closed = false;
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  socket.on('close', () => {
    closed = true;
  });
  socket.write(text, 'latin1');
  return { socket, received: () => Buffer.concat(chunks).toString('latin1'), closed: () => closed };
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

export const SEAT_PATH = `/debug/proxy/${WORKSHOP}/vm/1`;
