import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { PublicError } from '@clarateach/contract/errors';
import { previewRequest } from '@clarateach/contract/files';
import type { SeatId } from '@clarateach/contract/ids';
import { PLATFORM_PORTS, type SeatEndpoint } from '@clarateach/contract/seat-server';
import type { Address } from './address.ts';
import type { Admission, Pass } from './admission.ts';
import type { Cors } from './cors.ts';
import { holdsPlatformToken } from './credentials.ts';
import { SeatFault } from './dial.ts';
import { headersFromPreview, headersToPreview } from './headers.ts';
import type { ResponseHead } from './http-head.ts';
import type { Clock, PublicKeys } from './ports.ts';
import { createPreviewOrigins, type PreviewOrigins } from './preview-origin.ts';
import { type PreviewNotice, previewPage } from './preview-page.ts';
import { createPreviewPasses, type PreviewPass } from './preview-pass.ts';
import { errorAnswer, type Refusing, refuseUpgrade, sendAnswer } from './refusal.ts';
import type { LinkTable } from './seat-links.ts';
import type { SeatRelay } from './seat-relay.ts';
import { checkedAccept, webSocketKey } from './upgrade.ts';

const OWN_PATHS = '/__clarateach/';
const TICKET_PATH = '/__clarateach/preview';
const LISTENING_PATH = '/__clarateach/listening';
const MAX_REQUEST_BYTES = 1024;

export interface PreviewSettings {
  /** Such as `localhost:8080`; as a function where the port is known only later. The host name never changes. */
  readonly domain: string | (() => string);
  readonly scheme: 'http' | 'https';
  /** Shared by all servers of an installation; 32 random bytes or more. */
  readonly secret: string | Buffer;
}

type PreviewAddress = Address & { readonly kind: 'preview' };

export interface Previews {
  domain(): string;
  /** Answers `POST …/preview` of a learner whose token passed. */
  grant(
    req: IncomingMessage,
    res: ServerResponse,
    pass: Pass,
    headers: readonly string[],
    refuse: (thrown: unknown) => void,
  ): void;
  request(req: IncomingMessage, res: ServerResponse, address: PreviewAddress): void;
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, address: PreviewAddress): void;
}

interface Parts {
  readonly settings: PreviewSettings;
  readonly admission: Admission;
  readonly keys: PublicKeys;
  readonly cors: Cors;
  readonly links: LinkTable;
  readonly relay: SeatRelay;
  readonly refusing: Refusing;
  readonly clock: Clock;
}

function closed(): PublicError {
  return new PublicError('unauthenticated', 'This preview is closed. Open it again from the workspace.');
}

/** What a browser shows a learner whose preview can't be shown. */
function noticeOf(error: PublicError, port: number): PreviewNotice {
  const { status, cause } = error;
  if (cause instanceof SeatFault && cause.kind === 'not_listening') {
    const text = `Start your server in the terminal, so that it listens on port ${port}.`;
    return { status, title: `Nothing listens on port ${port} yet`, text, poll: LISTENING_PATH };
  }
  if (error.code === 'seat_not_running') {
    return { status, title: 'The seat is not running', text: error.message, poll: LISTENING_PATH };
  }
  const titles: Partial<Record<PublicError['code'], string>> = {
    unauthenticated: 'This preview is closed',
    removed: 'You no longer hold this seat',
    not_found: 'There is no such seat',
  };
  return { status, title: titles[error.code] ?? 'The preview did not work', text: error.message };
}

function wantsPage(req: IncomingMessage): boolean {
  return (req.headers.accept ?? '').includes('text/html');
}

async function readBody(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Left early, the request must live on: its connection carries the answer.
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_REQUEST_BYTES) throw new PublicError('too_large', 'This request is too large.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function portOf(req: IncomingMessage): Promise<number> {
  let body: unknown;
  try {
    body = JSON.parse((await readBody(req)).toString());
  } catch (cause) {
    if (cause instanceof PublicError) throw cause;
    throw new PublicError('invalid_input', 'The body must be JSON, such as {"port": 5173}.', { cause });
  }
  const { data } = previewRequest.safeParse(body);
  if (!data) {
    throw new PublicError('invalid_input', 'A port is a number from 1 to 65535.', { field: 'port' });
  }
  if (PLATFORM_PORTS.includes(data.port)) {
    const message = `Port ${data.port} belongs to the platform. Let your server listen on another one.`;
    throw new PublicError('invalid_input', message, { field: 'port' });
  }
  return data.port;
}

/** Previews: each port of each seat on an origin of its own, so that learners' pages can't read the platform's. */
export function createPreviews(parts: Parts): Previews {
  const { settings, admission, keys, cors, links, relay, refusing, clock } = parts;
  const { domain } = settings;
  const domainNow = typeof domain === 'string' ? () => domain : domain;
  const passes = createPreviewPasses({ secret: settings.secret, clock });
  let made: PreviewOrigins | undefined;
  const origins = (): PreviewOrigins => {
    made ??= createPreviewOrigins(domainNow, settings.scheme);
    return made;
  };

  /** The learner's pass for exactly this origin. */
  function passOf(own: string | undefined, { id, port }: PreviewAddress): PreviewPass {
    const pass = own === undefined ? undefined : passes.read(own);
    if (!pass || pass.port !== port || pass.workshopId !== id.workshop || pass.seat !== id.seat)
      throw closed();
    // What a token opened ends with the token's key.
    if (keys.find(pass.kid) === undefined) throw closed();
    return pass;
  }

  /** The origin as the learner's server should see it. A cookie alone must not let a foreign page in. */
  function originLine(req: IncomingMessage, id: SeatId): string {
    const { origin } = req.headers;
    if (origin === undefined) return '';
    const local = origins().toLocal(id, origin);
    if (local !== undefined) return `Origin: ${local}\r\n`;
    if (cors.allows(origin, req)) return `Origin: ${origin}\r\n`;
    throw new PublicError('foreign_origin', 'Pages of this origin may not use this preview.');
  }

  /** A learner's server may ask for credentials of its own; the platform's tokens are not for it. */
  function authorizationLine({ headers: { authorization } }: IncomingMessage): string {
    if (authorization === undefined || holdsPlatformToken(authorization)) return '';
    return `Authorization: ${authorization}\r\n`;
  }

  function answerHeaders(head: ResponseHead, id: SeatId): string[] {
    const headers = headersFromPreview(head);
    const kept: string[] = [];
    for (let index = 0; index < headers.length; index += 2) {
      const name = headers[index] as string;
      let value: string | undefined = headers[index + 1] as string;
      switch (name.toLowerCase()) {
        case 'set-cookie':
          value = origins().learnerCookie(value);
          break;
        case 'location':
        case 'access-control-allow-origin':
          value = origins().toPublic(id, value);
          break;
        case 'content-security-policy':
          // The workspace shows previews in a frame.
          value = value.replace(/(?:^|;)\s*frame-ancestors\b[^;,]*/gi, '');
          break;
      }
      if (value !== undefined && value !== '') kept.push(name, value);
    }
    return kept;
  }

  function openTicket(req: IncomingMessage, res: ServerResponse, address: PreviewAddress): void {
    const ticket = new URLSearchParams((req.url ?? '').split('?')[1]).get('ticket');
    const redeemed = ticket === null ? undefined : passes.redeem(ticket);
    const cookie = redeemed && passes.cookie(redeemed);
    // Someone who goes back to the address of the ticket has the cookie already.
    const pass = passOf(cookie ?? origins().splitCookies(req.headers.cookie).own, address);
    const admitted = Promise.resolve(admission.admit(pass, address.id)).catch((thrown: unknown) => {
      // A seat that is about to run is waited for on the page itself.
      if (!(thrown instanceof PublicError && thrown.code === 'seat_not_running')) throw thrown;
    });
    admitted
      .then(() => {
        const headers = ['Location', '/', 'Cache-Control', 'no-store', 'Referrer-Policy', 'no-referrer'];
        if (cookie !== undefined) headers.push('Set-Cookie', origins().ownCookie(cookie));
        sendAnswer(req, res, { status: 302, headers, body: '' });
      })
      .catch((thrown: unknown) => refuseRequest(req, res, address, thrown));
  }

  function refuseRequest(
    req: IncomingMessage,
    res: ServerResponse,
    address: PreviewAddress,
    thrown: unknown,
  ): void {
    const fault = thrown instanceof SeatFault && thrown.kind === 'not_listening';
    const message = `Nothing listens on port ${address.port} of this seat.`;
    const reason = fault ? new PublicError('unavailable', message, { cause: thrown }) : thrown;
    const { error, requestId } = refusing.refuse(reason, { service: 'preview', id: address.id });
    const page = wantsPage(req) ? previewPage(noticeOf(error, address.port)) : undefined;
    sendAnswer(req, res, page ?? errorAnswer(error, requestId));
  }

  /** Tells the waiting page whether it is worth reloading. */
  function tellListening(
    req: IncomingMessage,
    res: ServerResponse,
    { id, port }: PreviewAddress,
    endpoint: SeatEndpoint,
  ): void {
    const tell = (listening: boolean): void => {
      const headers = ['Content-Type', 'application/json', 'Cache-Control', 'no-store'];
      sendAnswer(req, res, { status: 200, headers, body: JSON.stringify({ listening }) });
    };
    const socket = links.at(id, endpoint).dialTunnel(port)((fault) => {
      socket.destroy();
      tell(fault === undefined);
    });
    socket.on('error', () => socket.destroy());
  }

  function serve(
    req: IncomingMessage,
    res: ServerResponse,
    address: PreviewAddress,
    admitted: { readonly pass: PreviewPass; readonly endpoint: SeatEndpoint; readonly lines: string },
  ): void {
    if (res.destroyed) return;
    const { id, port } = address;
    const { pass, endpoint, lines } = admitted;
    const path = req.url ?? '/';
    if (path.startsWith(LISTENING_PATH)) {
      tellListening(req, res, address, endpoint);
      return;
    }
    if (path.startsWith(OWN_PATHS)) throw new PublicError('not_found', 'There is nothing at this address.');
    relay.trackedHttp({
      req,
      res,
      id,
      endpoint,
      pass,
      pool: () => links.at(id, endpoint).tunnel(port),
      path,
      host: `localhost:${port}`,
      headerLines: headersToPreview(req.rawHeaders, req.headers.connection) + lines,
      answerHeaders: (head) => answerHeaders(head, id),
      onFault: (fault) => refuseRequest(req, res, address, fault),
    });
  }

  /** Checks cookie and origin; what it returns the learner's server may have. */
  function examine(req: IncomingMessage, address: PreviewAddress): { pass: PreviewPass; lines: string } {
    const { own, rest } = origins().splitCookies(req.headers.cookie);
    const pass = passOf(own, address);
    const cookieLine = rest === '' ? '' : `Cookie: ${rest}\r\n`;
    return { pass, lines: cookieLine + authorizationLine(req) + originLine(req, address.id) };
  }

  return {
    domain: domainNow,

    grant(req, res, pass, headers, refuse) {
      portOf(req)
        .then((port) => {
          const id = { workshop: pass.workshopId, seat: pass.seat };
          const { workshopId, seat, odehash, iat, exp, kid } = pass;
          const ticket = passes.ticket({ workshopId, seat, odehash, iat, exp, kid, port });
          const body = JSON.stringify({
            url: `${origins().origin(id, port)}${TICKET_PATH}?ticket=${ticket}`,
          });
          const own = ['Content-Type', 'application/json; charset=utf-8', 'Cache-Control', 'no-store'];
          sendAnswer(req, res, { status: 200, headers: [...own, ...headers], body });
        })
        .catch(refuse);
    },

    request(req, res, address) {
      const refuse = (thrown: unknown): void => refuseRequest(req, res, address, thrown);
      try {
        if (/^\/__clarateach\/preview(?=\?|$)/.test(req.url ?? '')) {
          openTicket(req, res, address);
          return;
        }
        const { pass, lines } = examine(req, address);
        const go = (endpoint: SeatEndpoint): void => serve(req, res, address, { pass, endpoint, lines });
        const admitted = admission.admit(pass, address.id);
        if (admitted instanceof Promise) admitted.then(go).catch(refuse);
        else go(admitted);
      } catch (thrown) {
        refuse(thrown);
      }
    },

    upgrade(req, socket, head, address) {
      const { id, port } = address;
      const refuse = (thrown: unknown): void => {
        const { error, requestId } = refusing.refuse(thrown, { service: 'preview', id });
        refuseUpgrade(socket, errorAnswer(error, requestId));
      };
      try {
        const key = webSocketKey(req);
        const { pass, lines } = examine(req, address);
        const headerLines = headersToPreview(req.rawHeaders, req.headers.connection) + lines;
        const go = (endpoint: SeatEndpoint): void =>
          relay.trackedUpgrade({
            socket,
            head,
            id,
            service: 'preview',
            endpoint,
            pass,
            dial: links.at(id, endpoint).dialTunnel(port),
            request: `GET ${req.url} HTTP/1.1\r\nHost: localhost:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${headerLines}\r\n`,
            acceptHeaders(answer) {
              checkedAccept(answer, key);
              return answerHeaders(answer, id);
            },
            onFault: refuse,
          });
        const admitted = admission.admit(pass, id);
        if (admitted instanceof Promise) admitted.then(go).catch(refuse);
        else go(admitted);
      } catch (thrown) {
        refuse(thrown);
      }
    },
  };
}
