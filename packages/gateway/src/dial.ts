import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { connect, isIP, Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import {
  AGENT_API_VERSION,
  AGENT_INSTALLATION_HEADER,
  AGENT_VERSION_HEADER,
} from '@clarateach/contract/agent-api';
import {
  type DirectEndpoint,
  FILES_PORT,
  type SeatEndpoint,
  TUNNEL_PATH,
} from '@clarateach/contract/seat-server';
import { HeadCollector, parseResponseHead } from './http-head.ts';

/**
 * Why a seat could not be spoken to. `unreachable`: it does not answer. `not_listening`: the seat
 * answers, but nothing in it listens on the port. `malformed`: it answered nonsense, or went away in
 * the middle.
 */
export class SeatFault extends Error {
  readonly kind: 'unreachable' | 'not_listening' | 'malformed';

  constructor(kind: SeatFault['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SeatFault';
    this.kind = kind;
  }
}

/** `early` came from the seat before anything was asked; empty but for tunnels. */
export type Dialled = (fault: SeatFault | undefined, socket: Socket, early: Buffer) => void;

/**
 * Opens a connection; `done` is called once, unless the socket is destroyed before. The caller owns
 * the socket from the beginning and listens for its `error`.
 */
export type Dial = (done: Dialled) => Socket;

const NOTHING = Buffer.alloc(0);

/** How seats are reached. */
export interface DialSettings {
  /** How long a seat may take to accept a connection. */
  readonly connectTimeoutMs: number;
  /** The token of the agent at this origin, for seats on other machines. */
  readonly agentToken?: ((agent: string) => string | undefined) | undefined;
  /** Whose seats those are; an agent shows nobody else's. */
  readonly installation?: string | undefined;
}

function openSocket(endpoint: DirectEndpoint, port: number): Socket {
  if (endpoint.kind === 'tcp')
    return connect({ host: endpoint.host, port, noDelay: true, allowHalfOpen: true });
  return openLearnersSocket(join(endpoint.directory, `${port}.sock`));
}

/** Linux: a handle that names a file without opening it. Node has no name for it. */
const O_PATH = 0o10000000;

/**
 * The directory is the learner's: a link in it must not lead to another's socket, nor one that is put
 * there between a look and the connection. So the handle that was looked at is what is connected to.
 */
function openLearnersSocket(path: string): Socket {
  let handle: number | undefined;
  try {
    handle = openSync(path, O_PATH | constants.O_NOFOLLOW);
    if (!fstatSync(handle).isSocket()) throw new Error(`${path} is not a socket`);
    return connect({ path: `/proc/self/fd/${handle}`, allowHalfOpen: true });
  } catch (error) {
    return new Socket().destroy(error as Error);
  } finally {
    // A connection to a Unix socket is made, or queued, before `connect` returns.
    if (handle !== undefined) closeSync(handle);
  }
}

/** Dials a port of the seat's own servers. */
export function dialPort(endpoint: SeatEndpoint, port: number, settings: DialSettings): Dial {
  const { connectTimeoutMs } = settings;
  if (endpoint.kind !== 'agent')
    return dialSocket(() => openSocket(endpoint, port), 'connect', connectTimeoutMs);
  const url = new URL(endpoint.url);
  const token = settings.agentToken?.(endpoint.agent);
  const { installation } = settings;
  const ours = installation === undefined ? '' : `${AGENT_INSTALLATION_HEADER}: ${installation}\r\n`;
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`;
  return upgraded(dialOrigin(url, connectTimeoutMs), {
    request: `GET ${url.pathname}/${port} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n${AGENT_VERSION_HEADER}: ${AGENT_API_VERSION}\r\n${ours}${authorization}\r\n`,
    timeoutMs: connectTimeoutMs,
    refused: (status) =>
      new SeatFault('unreachable', `the agent refused a connection to the seat with ${status}`),
  });
}

function dialOrigin({ protocol, hostname, port }: URL, timeoutMs: number): Dial {
  const host = hostname.replace(/^\[|\]$/g, '');
  if (protocol === 'https:') {
    return dialSocket(
      () =>
        connectTls({
          host,
          port: Number(port || 443),
          ALPNProtocols: ['http/1.1'],
          ...(isIP(host) === 0 ? { servername: host } : {}),
        }),
      'secureConnect',
      timeoutMs,
    );
  }
  return dialSocket(
    () => connect({ host, port: Number(port || 80), noDelay: true, allowHalfOpen: true }),
    'connect',
    timeoutMs,
  );
}

function dialSocket(open: () => Socket, connected: 'connect' | 'secureConnect', timeoutMs: number): Dial {
  return (done) => {
    const socket = open();
    const settle = (fault?: SeatFault): void => {
      clearTimeout(timer);
      socket.off(connected, onConnect);
      socket.off('error', onError);
      socket.off('close', onClose);
      done(fault, socket, NOTHING);
    };
    const fail = (message: string, cause?: unknown): void => {
      socket.destroy();
      settle(new SeatFault('unreachable', message, { cause }));
    };
    const onConnect = (): void => settle();
    const onError = (cause: Error): void => fail('the seat does not accept connections', cause);
    const onClose = (): void => clearTimeout(timer);
    const timer = setTimeout(fail, timeoutMs, 'the seat did not accept a connection in time');
    socket.on(connected, onConnect);
    socket.on('error', onError);
    socket.on('close', onClose);
    return socket;
  };
}

/** Dials a port of the learner's own, through the tunnel that the seat's file server opens. */
export function dialTunnel(endpoint: SeatEndpoint, port: number, settings: DialSettings): Dial {
  return upgraded(dialPort(endpoint, FILES_PORT, settings), {
    request: `GET ${TUNNEL_PATH}/${port} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`,
    timeoutMs: settings.connectTimeoutMs,
    refused: (status) =>
      status === 404
        ? new SeatFault('not_listening', `nothing listens on port ${port}`)
        : new SeatFault('unreachable', `the seat refused a tunnel with ${status}`),
  });
}

/** A dialled connection that becomes a byte stream to somewhere further once a request for it is answered with 101. */
function upgraded(
  dial: Dial,
  tunnel: {
    readonly request: string;
    readonly timeoutMs: number;
    refused(status: number): SeatFault;
  },
): Dial {
  return (done) =>
    dial((fault, socket) => {
      if (fault) return done(fault, socket, NOTHING);
      const collector = new HeadCollector();
      const settle = (error: SeatFault | undefined, early: Buffer): void => {
        clearTimeout(timer);
        socket.off('data', onData);
        socket.off('end', onEnd);
        socket.off('error', onError);
        socket.off('close', onClose);
        socket.pause();
        if (error) socket.destroy();
        done(error, socket, early);
      };
      const fail = (kind: SeatFault['kind'], message: string, cause?: unknown): void =>
        settle(new SeatFault(kind, message, { cause }), NOTHING);
      const onEnd = (): void => fail('malformed', 'the seat hung up on a tunnel');
      const onError = (cause: Error): void => fail('malformed', 'the tunnel broke while it opened', cause);
      const onClose = (): void => clearTimeout(timer);
      const onData = (chunk: Buffer): void => {
        try {
          const head = collector.take(chunk);
          if (!head) return;
          const { status } = parseResponseHead(head.text);
          if (status === 101) settle(undefined, head.rest);
          else settle(tunnel.refused(status), NOTHING);
        } catch (cause) {
          fail('malformed', 'the seat answered a tunnel with something else', cause);
        }
      };
      const timer = setTimeout(fail, tunnel.timeoutMs, 'unreachable', 'the tunnel did not open in time');
      socket.on('data', onData);
      socket.on('end', onEnd);
      socket.on('error', onError);
      socket.on('close', onClose);
      socket.write(tunnel.request);
    });
}
