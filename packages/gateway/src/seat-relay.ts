import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { PublicError } from '@clarateach/contract/errors';
import type { SeatId } from '@clarateach/contract/ids';
import { BROWSER_PORT, FILES_PORT, type SeatEndpoint, TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { CLOSE_TOKEN_EXPIRED, FILES_PROTOCOL, TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import type { Address, SeatService } from './address.ts';
import type { Pass } from './admission.ts';
import { type Dial, type DialSettings, dialPort, SeatFault } from './dial.ts';
import { headersFromSeat, headersToSeat } from './headers.ts';
import type { ResponseHead } from './http-head.ts';
import { relayHttp } from './http-relay.ts';
import type { Clock, GatewayEvent } from './ports.ts';
import { refuseUpgrade } from './refusal.ts';
import type { LinkTable, LiveLink } from './seat-links.ts';
import type { SeatPool } from './seat-pool.ts';
import { checkedAccept, headerValue, webSocketKey } from './upgrade.ts';
import { WebSocketLink } from './websocket-relay.ts';

/** A timer can't wait longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

interface SeatRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly id: SeatId;
  readonly endpoint: SeatEndpoint;
  readonly pass: Pass;
  readonly port: number;
  readonly path: string;
  readonly cors: readonly string[];
  refuse(thrown: unknown): void;
}

interface SeatUpgrade {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly address: Address & { readonly kind: 'seat' };
  readonly endpoint: SeatEndpoint;
  readonly pass: Pass;
  /** Protocols that the client offers, without its token. */
  readonly offered: readonly string[];
  refuse(thrown: unknown): void;
}

/** An HTTP exchange that ends when its learner loses the seat, or its token's key goes. */
export interface TrackedRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly id: SeatId;
  readonly endpoint: SeatEndpoint;
  readonly pass: Pass;
  pool(): SeatPool;
  readonly path: string;
  readonly host: string;
  readonly headerLines: string;
  answerHeaders(head: ResponseHead): string[];
  onFault(fault: SeatFault): void;
}

/** A WebSocket that ends when its learner loses the seat, their token's time is over or its key goes. */
export interface TrackedUpgrade {
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly id: SeatId;
  readonly service: SeatService;
  readonly endpoint: SeatEndpoint;
  readonly pass: Pass;
  readonly dial: Dial;
  readonly request: string;
  acceptHeaders(head: ResponseHead): readonly string[];
  onFault(fault: SeatFault): void;
}

export interface SeatRelay {
  http(request: SeatRequest): void;
  webSocket(upgrade: SeatUpgrade): void;
  trackedHttp(request: TrackedRequest): void;
  trackedUpgrade(upgrade: TrackedUpgrade): void;
}

interface Parts {
  readonly links: LinkTable;
  readonly clock: Clock;
  readonly settings: DialSettings & { readonly responseTimeoutMs: number };
  readonly onEvent: (event: GatewayEvent) => void;
}

const PROTOCOLS: Partial<Record<SeatService, string>> = {
  terminal: TERMINAL_PROTOCOL,
  files: FILES_PROTOCOL,
};
const PORTS: Partial<Record<SeatService, number>> = { terminal: TERMINAL_PORT, browser: BROWSER_PORT };

export function createSeatRelay({ links, clock, settings, onEvent }: Parts): SeatRelay {
  function trackedHttp(request: TrackedRequest): void {
    const { req, res, id, endpoint, pass } = request;
    const seat = links.at(id, endpoint);
    seat.checkRoom();
    links.checkKey(pass.kid);
    const { live } = seat;
    const link: LiveLink = {
      odehash: pass.odehash,
      iat: pass.iat,
      kid: pass.kid,
      socket: false,
      end() {
        exchange.abort();
        live.delete(link);
        if (res.headersSent) res.destroy();
        else request.onFault(new SeatFault('unreachable', 'the seat went away'));
      },
    };
    const exchange = relayHttp({
      req,
      res,
      pool: request.pool(),
      path: request.path,
      host: request.host,
      headerLines: request.headerLines,
      answerHeaders: request.answerHeaders,
      onFault: request.onFault,
      onOver: () => live.delete(link),
    });
    if (!exchange.over) live.add(link);
  }

  function trackedUpgrade(upgrade: TrackedUpgrade): void {
    const { socket, id, service, endpoint, pass } = upgrade;
    if (socket.destroyed) return;
    const seat = links.at(id, endpoint);
    seat.checkRoom();
    links.checkKey(pass.kid);
    const { live } = seat;
    let openedAt = 0;
    let expiry: NodeJS.Timeout | undefined;
    const link: LiveLink = {
      odehash: pass.odehash,
      iat: pass.iat,
      kid: pass.kid,
      socket: true,
      end: (code, reason) => webSocket.close(code, reason),
    };
    function expire(): void {
      const leftMs = pass.exp * 1000 - clock();
      if (leftMs <= 0) webSocket.close(CLOSE_TOKEN_EXPIRED, 'the seat token expired');
      else {
        expiry = setTimeout(expire, Math.min(leftMs, LONGEST_TIMER_MS));
        expiry.unref();
      }
    }
    live.add(link);
    const webSocket = new WebSocketLink({
      client: socket,
      early: upgrade.head,
      dial: upgrade.dial,
      request: upgrade.request,
      answerTimeoutMs: settings.responseTimeoutMs,
      acceptHeaders: upgrade.acceptHeaders,
      onOpen() {
        openedAt = clock();
        onEvent({ type: 'opened', service, id });
      },
      onRefused(head, body) {
        // The seat's own words, but not its headers.
        const type = headerValue(head, 'content-type') ?? 'text/plain; charset=utf-8';
        refuseUpgrade(socket, {
          status: head.status,
          headers: ['Content-Type', type, 'X-Content-Type-Options', 'nosniff'],
          body: body.toString(),
        });
      },
      onFault: upgrade.onFault,
      onOver(code) {
        clearTimeout(expiry);
        live.delete(link);
        if (openedAt > 0) onEvent({ type: 'closed', service, id, code, durationMs: clock() - openedAt });
      },
    });
    expire();
  }

  return {
    trackedHttp,
    trackedUpgrade,

    http({ req, res, id, endpoint, pass, port, path, cors, refuse }) {
      trackedHttp({
        req,
        res,
        id,
        endpoint,
        pass,
        pool: () => links.at(id, endpoint).port(port),
        path,
        host: 'localhost',
        headerLines: headersToSeat(req.rawHeaders, req.headers.connection),
        answerHeaders: (head) => {
          const headers = headersFromSeat(head);
          headers.push(...cors);
          return headers;
        },
        onFault: refuse,
      });
    },

    webSocket({ req, socket, head, address, endpoint, pass, offered, refuse }) {
      const { id, service, path } = address;
      const key = webSocketKey(req);
      const named = PROTOCOLS[service];
      if (service === 'terminal' && offered.length > 0 && !offered.includes(TERMINAL_PROTOCOL)) {
        throw new PublicError('invalid_input', `A terminal speaks ${TERMINAL_PROTOCOL}.`);
      }
      const protocols = named === undefined ? offered.join(', ') : named;
      const lines = protocols === '' ? '' : `Sec-WebSocket-Protocol: ${protocols}\r\n`;
      trackedUpgrade({
        socket,
        head,
        id,
        service,
        endpoint,
        pass,
        dial: dialPort(endpoint, PORTS[service] ?? FILES_PORT, settings),
        request: `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${lines}\r\n`,
        acceptHeaders(answer) {
          const headers = ['Sec-WebSocket-Accept', checkedAccept(answer, key)];
          // Only what was offered may be answered, and the platform's protocols are always spoken.
          const chosen = named ?? headerValue(answer, 'sec-websocket-protocol');
          if (chosen !== undefined && offered.includes(chosen))
            headers.push('Sec-WebSocket-Protocol', chosen);
          return headers;
        },
        onFault: refuse,
      });
    },
  };
}
