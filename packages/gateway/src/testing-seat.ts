import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { after, afterEach, before, beforeEach } from 'node:test';
import type { SeatEndpoint } from '@clarateach/contract/seat-server';
import { WebSocketServer } from 'ws';
import type { GatewayOptions } from './gateway.ts';
import { LEARNER, type Mounted, mount, until } from './testing.ts';

/** A seat's servers as packages/contract describes them, small, with hooks for what tests change. */
export interface StandInSeat {
  readonly endpoint: SeatEndpoint;
  /** Answers the files port. */
  onFiles: RequestListener;
  /** Replaces the terminal's upgrade; echoes by default. */
  onUpgrade: ((req: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  readonly terminal: WebSocketServer;
  /** Requests seen on both ports, with raw headers. */
  readonly seen: { readonly method: string; readonly url: string; readonly rawHeaders: string[] }[];
  tunnels: number;
  /** Connections open to the seat. */
  sockets(): number;
  dropAll(): void;
  close(): Promise<void>;
}

/**
 * Registers a seat for the tests of a file and, before each, a gateway that has it as seat 1, held by
 * LEARNER; after each, nothing is connected to the seat.
 */
export function eachTestMounts(
  use: (mounted: Mounted, seat: StandInSeat) => void,
  options: Partial<GatewayOptions> = {},
): void {
  let seat: StandInSeat;
  let mounted: Mounted;
  before(async () => {
    seat = await standInSeat();
  });
  after(() => seat.close());
  beforeEach(async () => {
    mounted = await mount(options);
    mounted.routes.put({ endpoint: seat.endpoint, holder: LEARNER });
    seat.onFiles = (_req, res) => res.end('file');
    seat.onUpgrade = undefined;
    seat.seen.length = 0;
    use(mounted, seat);
  });
  afterEach(async () => {
    await mounted.close();
    await until('the seat has no connection left', () => seat.sockets() === 0);
  });
}

export async function standInSeat(): Promise<StandInSeat> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-seat-'));
  const open = new Set<Socket>();
  const terminal = new WebSocketServer({ noServer: true });
  terminal.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data as Buffer, { binary }));
    socket.on('error', () => {});
  });
  const seat: StandInSeat = {
    endpoint: { kind: 'unix', directory },
    onFiles: (_req, res) => res.end('file'),
    onUpgrade: undefined,
    terminal,
    seen: [],
    tunnels: 0,
    sockets: () => open.size,
    dropAll() {
      for (const socket of open) socket.destroy();
    },
    async close() {
      for (const server of [terminalServer, filesServer]) server.close();
      for (const socket of open) socket.destroy();
      terminal.close();
      await rm(directory, { recursive: true });
    },
  };
  const note = (req: IncomingMessage): void => {
    seat.seen.push({ method: req.method ?? '', url: req.url ?? '', rawHeaders: req.rawHeaders });
  };
  const terminalServer = createServer((req, res) => {
    note(req);
    res.writeHead(426);
    res.end();
  });
  terminalServer.on('upgrade', (req, socket, head) => {
    note(req);
    if (seat.onUpgrade) seat.onUpgrade(req, socket, head);
    else terminal.handleUpgrade(req, socket, head, (ws) => terminal.emit('connection', ws, req));
  });
  const filesServer = createServer((req, res) => {
    note(req);
    seat.onFiles(req, res);
  });
  filesServer.on('upgrade', (req, socket, head) => {
    note(req);
    const port = /^\/tunnel\/(\d+)$/.exec(req.url ?? '')?.[1];
    if (port === undefined) {
      terminal.handleUpgrade(req, socket, head, (ws) => terminal.emit('connection', ws, req));
      return;
    }
    openTunnel(seat, Number(port), socket as Socket);
  });
  for (const [server, port] of [
    [terminalServer, 3001],
    [filesServer, 3002],
  ] as [Server, number][]) {
    server.requestTimeout = 0;
    server.on('connection', (socket: Socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(join(directory, `${port}.sock`), resolve));
  }
  return seat;
}

function openTunnel(seat: StandInSeat, port: number, socket: Socket): void {
  const local = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  local.on('error', () => {
    if (!socket.destroyed)
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  });
  socket.on('error', () => local.destroy());
  socket.on('close', () => local.destroy());
  local.on('close', () => socket.destroy());
  local.on('connect', () => {
    seat.tunnels++;
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    local.pipe(socket);
    socket.pipe(local);
  });
}

/** A server that says exactly what it is told to, for answers that no real one gives. */
export async function rawSeat(onConnection: (socket: Socket) => void): Promise<{
  readonly endpoint: SeatEndpoint;
  sockets(): number;
  close(): Promise<void>;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-seat-'));
  const open = new Set<Socket>();
  const servers = [3001, 3002].map((port) => {
    const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => {});
      socket.on('end', () => socket.end());
      onConnection(socket);
    });
    server.listen(join(directory, `${port}.sock`));
    return server;
  });
  return {
    endpoint: { kind: 'unix', directory },
    sockets: () => open.size,
    async close() {
      for (const server of servers) server.close();
      for (const socket of open) socket.destroy();
      await rm(directory, { recursive: true });
    },
  };
}
