import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ErrorCode, PublicError } from '@clarateach/contract/errors';
import type { SeatId } from '@clarateach/contract/ids';
import {
  BROWSER_PORT,
  FILES_PORT,
  PORTS_PATH,
  type SeatEndpoint,
  TERMINAL_PORT,
} from '@clarateach/contract/seat-server';
import { type Address, resolveAddress } from './address.ts';
import { createAdmission } from './admission.ts';
import { type AllowedOrigins, createCors } from './cors.ts';
import { bearerToken, offeredProtocols } from './credentials.ts';
import type { Clock, GatewayEvent, GatewayStats, PublicKeys, Revocations, SeatRoutes } from './ports.ts';
import { createPreviews, type PreviewSettings, type Previews } from './preview.ts';
import {
  asPublicError,
  errorAnswer,
  newRequestId,
  type Refusing,
  refuseUpgrade,
  sendAnswer,
} from './refusal.ts';
import { CONNECTIONS_PER_SEAT, LinkTable } from './seat-links.ts';
import { createSeatRelay } from './seat-relay.ts';
import { createTokenGate, type VerifiedToken } from './token-gate.ts';

export interface GatewayOptions {
  readonly routes: SeatRoutes;
  readonly keys: PublicKeys;
  /** Tokens that are refused before their end. */
  readonly revocations?: Revocations;
  /** Origins of pages that may use seats; requests without an origin come from programs. */
  readonly allowedOrigins: AllowedOrigins;
  /** Workshops and previews on origins of their own. Left out: only the path base works. */
  readonly previews?: PreviewSettings;
  readonly clock?: Clock;
  /** Called for what the log and the metrics should know; must not throw. */
  readonly onEvent?: (event: GatewayEvent) => void;
  /** The token of the agent at this origin, for seats that are reached through one. */
  readonly agentToken?: (agent: string) => string | undefined;
  /** The installation that those seats belong to. */
  readonly installation?: string;
  readonly connectTimeoutMs?: number;
  readonly responseTimeoutMs?: number;
  /** Requests under way and WebSockets of one seat, before more are refused with 429. */
  readonly connectionsPerSeat?: number;
}

/**
 * The data plane: what learners' browsers and programs exchange with their seats. It is mounted
 * before the API, on the raw server: ask `handles` first, and hand over what it answers true for.
 */
export interface Gateway {
  /** Whether a request, by host and path, is the gateway's to answer. */
  handles(req: IncomingMessage): boolean;
  request(req: IncomingMessage, res: ServerResponse): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Open WebSockets. */
  connections(): number;
  stats(): GatewayStats;
  /** Tells WebSockets to come back later and ends everything, within a second or so. */
  close(): Promise<void>;
}

const CLOSE_GRACE_MS = 1000;

export function createGateway(options: GatewayOptions): Gateway {
  const { routes, keys, revocations, previews: previewSettings, onEvent = () => {} } = options;
  const clock = options.clock ?? Date.now;
  const settings = {
    connectTimeoutMs: options.connectTimeoutMs ?? 5000,
    responseTimeoutMs: options.responseTimeoutMs ?? 120_000,
    connectionsPerSeat: options.connectionsPerSeat ?? CONNECTIONS_PER_SEAT,
    agentToken: options.agentToken,
    installation: options.installation,
  };
  const gate = createTokenGate({ keys, clock });
  const admission = createAdmission({ routes, revocations, clock });
  const cors = createCors(options.allowedOrigins);
  const links = new LinkTable({ routes, keys, revocations }, settings, clock);
  const refusals: Partial<Record<ErrorCode, number>> = {};
  let requests = 0;
  let upgrades = 0;
  let closing: Promise<void> | undefined;

  const refusing: Refusing = {
    refuse(thrown, { service, id }) {
      const error = asPublicError(thrown);
      const requestId = newRequestId();
      const { code, status, cause } = error;
      refusals[code] = (refusals[code] ?? 0) + 1;
      onEvent({ type: 'refused', code, status, requestId, service, id, ...(cause ? { cause } : {}) });
      return { error, requestId };
    },
  };
  const observed = (event: GatewayEvent): void => {
    if (event.type === 'opened') upgrades++;
    onEvent(event);
  };
  const relay = createSeatRelay({ links, clock, settings, onEvent: observed });
  const previews: Previews | undefined = previewSettings
    ? createPreviews({ settings: previewSettings, admission, keys, cors, links, relay, refusing, clock })
    : undefined;

  function addressOf(req: IncomingMessage): Address | undefined {
    return resolveAddress(previews?.domain(), req.headers.host, req.url ?? '/');
  }

  function nowhere(): PublicError {
    return new PublicError('not_found', 'There is nothing at this address.');
  }

  /** The claims of a token that may be used for this, from this origin. */
  function claimsOf(req: IncomingMessage, token: string | undefined): VerifiedToken {
    const claims = gate.verify(token);
    cors.check(req);
    return claims;
  }

  /** Goes on at once when the route is known, so that most requests cost no promise. */
  function whenAdmitted(
    claims: VerifiedToken,
    id: SeatId,
    go: (endpoint: SeatEndpoint) => void,
    refuse: (thrown: unknown) => void,
  ): void {
    const admitted = admission.admit(claims, id);
    if (admitted instanceof Promise) {
      admitted.then(go).catch(refuse);
    } else go(admitted);
  }

  function serve(
    req: IncomingMessage,
    res: ServerResponse,
    address: Address & { kind: 'seat' },
    claims: VerifiedToken,
    endpoint: SeatEndpoint,
    refuse: (thrown: unknown) => void,
  ): void {
    if (res.destroyed) return;
    const { id, service } = address;
    requests++;
    let port = FILES_PORT;
    let { path } = address;
    if (service === 'terminal') port = TERMINAL_PORT;
    else if (service === 'browser') port = BROWSER_PORT;
    else if (service === 'preview') {
      if (req.method === 'POST') {
        if (!previews) throw new PublicError('unavailable', 'This server has no domain for previews.');
        previews.grant(req, res, claims, cors.headers(req), refuse);
        return;
      }
      if (req.method !== 'GET' && req.method !== 'HEAD') {
        res.setHeader('Allow', 'GET, HEAD, POST, OPTIONS');
        throw new PublicError('method_not_allowed', 'This address answers GET and POST only.');
      }
      path = PORTS_PATH;
    }
    relay.http({ req, res, id, endpoint, pass: claims, port, path, cors: cors.headers(req), refuse });
  }

  return {
    handles: (req) => addressOf(req) !== undefined,

    request(req, res) {
      const address = addressOf(req);
      if (address?.kind === 'preview' && previews && !closing) {
        previews.request(req, res, address);
        return;
      }
      const seat = address?.kind === 'seat' ? address : undefined;
      const refuse = (thrown: unknown): void => {
        const { error, requestId } = refusing.refuse(thrown, { service: seat?.service, id: seat?.id });
        sendAnswer(req, res, errorAnswer(error, requestId, cors.headers(req)));
      };
      try {
        if (closing)
          throw new PublicError('unavailable', 'The server is restarting.', { retryAfterSeconds: 2 });
        if (!seat) throw nowhere();
        if (req.method === 'OPTIONS') {
          cors.preflight(req, res);
          return;
        }
        const claims = claimsOf(req, bearerToken(req));
        whenAdmitted(claims, seat.id, (at) => serve(req, res, seat, claims, at, refuse), refuse);
      } catch (thrown) {
        refuse(thrown);
      }
    },

    upgrade(req, socket, head) {
      // From here on nobody else listens, and a reset must not end the process.
      socket.on('error', () => socket.destroy());
      const address = addressOf(req);
      if (address?.kind === 'preview' && previews && !closing) {
        previews.upgrade(req, socket, head, address);
        return;
      }
      const seat = address?.kind === 'seat' ? address : undefined;
      const refuse = (thrown: unknown): void => {
        const { error, requestId } = refusing.refuse(thrown, { service: seat?.service, id: seat?.id });
        refuseUpgrade(socket, errorAnswer(error, requestId));
      };
      try {
        if (closing)
          throw new PublicError('unavailable', 'The server is restarting.', { retryAfterSeconds: 2 });
        if (!seat || seat.service === 'preview') throw nowhere();
        const offered = offeredProtocols(req);
        const claims = claimsOf(req, bearerToken(req) ?? offered.token);
        const go = (endpoint: SeatEndpoint): void =>
          relay.webSocket({
            req,
            socket,
            head,
            address: seat,
            endpoint,
            pass: claims,
            offered: offered.names,
            refuse,
          });
        whenAdmitted(claims, seat.id, go, refuse);
      } catch (thrown) {
        refuse(thrown);
      }
    },

    connections: () => links.sockets(),
    stats: () => ({ requests, upgrades, refusals: { ...refusals } }),
    close() {
      closing ??= links.close(CLOSE_GRACE_MS);
      return closing;
    },
  };
}
