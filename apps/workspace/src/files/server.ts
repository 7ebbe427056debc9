import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { PublicError } from '@clarateach/contract/errors';
import { PORTS_PATH, TUNNEL_PATH } from '@clarateach/contract/seat-server';
import { CLOSE_GOING_AWAY, FILES_PROTOCOL } from '@clarateach/contract/terminal';
import { WebSocketServer } from 'ws';
import { readJson, refuseUpgrade, sendError, sendJson } from '../http.ts';
import { listeningPorts } from '../ports/listening.ts';
import { openTunnel } from '../ports/tunnel.ts';
import { heartbeat } from '../terminal/heartbeat.ts';
import type { ArchiveLimits } from './archive-entries.ts';
import { etagOf, receiveContent, sendContent } from './content.ts';
import { list, makeDirectory, move, remove } from './entries.ts';
import { asPublicError } from './system-errors.ts';
import { Tree } from './tree.ts';
import { TreeWatch } from './watch.ts';

/** A watcher that does not read is told to list again instead of everything it missed. */
const MAX_UNREAD_BYTES = 256 * 1024;

export interface FilesOptions {
  readonly directory: string;
  readonly archiveLimits?: ArchiveLimits;
}

export interface FilesServer {
  readonly http: Server;
  close(): Promise<void>;
}

/** The files API, the learner's own ports and the tunnels to them. */
export function createFilesServer(options: FilesOptions): FilesServer {
  const tree = new Tree(options.directory);
  const changes = new TreeWatch(options.directory);

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { path, query } = parseTarget(request.url ?? '/');
    const method = request.method ?? 'GET';
    const given = (name: string): string => {
      const value = query.get(name);
      if (value === null)
        throw new PublicError('invalid_input', `The query has no ${name}.`, { field: name });
      return value;
    };
    switch (`${method === 'HEAD' ? 'GET' : method} ${path}`) {
      case 'GET /files':
        return sendJson(response, 200, { entries: await list(tree, query.get('path') ?? '') });
      case 'DELETE /files':
        await remove(tree, given('path'));
        response.writeHead(204).end();
        return;
      case 'GET /files/content':
        return sendContent(tree, given('path'), request, response);
      case 'PUT /files/content': {
        const { created, stat } = await receiveContent(tree, given('path'), request);
        response.setHeader('etag', etagOf(stat));
        return sendJson(response, created ? 201 : 200, {
          size: Number(stat.size),
          mtimeMs: Number(stat.mtimeMs),
        });
      }
      case 'POST /files/directory': {
        const body = await readJson(request);
        makeDirectory(tree, textOf(body, 'path'));
        return sendJson(response, 201, { path: body.path });
      }
      case 'POST /files/move': {
        const body = await readJson(request);
        move(tree, textOf(body, 'from'), textOf(body, 'to'));
        return sendJson(response, 200, { path: body.to });
      }
      case 'GET /files/archive': {
        const { sendArchive } = await import('./archive-download.ts');
        return sendArchive(tree, query.get('path') ?? '', query.get('format') ?? 'zip', response);
      }
      case 'POST /files/archive': {
        const { receiveArchive } = await import('./archive-upload.ts');
        return sendJson(
          response,
          200,
          await receiveArchive(tree, query.get('path') ?? '', request, options.archiveLimits),
        );
      }
      case `GET ${PORTS_PATH}`:
        return sendJson(response, 200, { ports: listeningPorts().map(({ port }) => port) });
      default:
        throw new PublicError('not_found', 'The files API has nothing at this address and method.');
    }
  };

  const http = createServer({ requestTimeout: 0, keepAliveTimeout: 75_000 }, (request, response) => {
    handle(request, response).catch((error: unknown) => {
      // A client that left needs no answer, and its leaving is no fault.
      if (isGone(request) || isHangUp(error)) response.destroy();
      else sendError(response, asPublicError(error));
    });
  });

  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 4096,
    handleProtocols: (offered) => (offered.has(FILES_PROTOCOL) ? FILES_PROTOCOL : false),
  });
  const endHeartbeat = heartbeat(webSockets.clients);
  const tunnels = new Set<Duplex>();

  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { path } = parseTarget(request.url ?? '/');
    const port = new RegExp(`^${TUNNEL_PATH}/(\\d{1,5})$`).exec(path)?.[1];
    if (port !== undefined) {
      tunnels.add(socket);
      socket.once('close', () => tunnels.delete(socket));
      openTunnel(socket, head, Number(port));
    } else if (path === '/files/watch') {
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        let missed = false;
        const end = changes.subscribe((change) => {
          if (webSocket.bufferedAmount > MAX_UNREAD_BYTES) {
            missed = true;
            return;
          }
          const told = missed ? { ...change, path: '', kind: 'overflow' } : change;
          missed = false;
          webSocket.send(JSON.stringify(told));
        });
        webSocket.on('close', end);
        webSocket.on('error', () => undefined);
      });
    } else refuseUpgrade(socket, new PublicError('not_found', 'There is nothing at this address.'));
  });

  return {
    http,
    close: async () => {
      endHeartbeat();
      for (const each of webSockets.clients) each.close(CLOSE_GOING_AWAY, 'The seat restarts.');
      for (const each of tunnels) each.destroy();
      const end = setTimeout(() => {
        for (const each of webSockets.clients) each.terminate();
        http.closeAllConnections();
      }, 1_000);
      await new Promise<void>((done) => {
        http.close(() => done());
        http.closeIdleConnections();
      });
      clearTimeout(end);
    },
  };
}

/** The gateway names the part of the seat and the part of the API alike, so `/files/files` is `/files`. */
function parseTarget(target: string): { path: string; query: URLSearchParams } {
  const at = target.indexOf('?');
  const path = (at === -1 ? target : target.slice(0, at))
    .replace(/^\/files\/files(?=\/|$)/, '/files')
    .replace(/\/$/, '');
  return { path, query: new URLSearchParams(at === -1 ? '' : target.slice(at + 1)) };
}

function textOf(body: Record<string, unknown>, field: string): string {
  const value = body[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new PublicError('invalid_input', `Give ${field} as a text that is not empty.`, { field });
}

/** Node.js takes the socket away from a request whose answer has been sent whole. */
function isGone(request: IncomingMessage): boolean {
  const socket: IncomingMessage['socket'] | null = request.socket;
  return socket === null || socket.destroyed;
}

function isHangUp(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'ECONNABORTED';
}
