import { type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';

const LATE_MS = 15_000;

export interface Said {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface Ask {
  readonly method?: string;
  /** A list of names and values keeps duplicates and their order. */
  readonly headers?: Readonly<Record<string, string>> | readonly string[];
  readonly body?: string | Buffer;
}

/** One request with its target as it is: no client library tidies dots, slashes or hosts away. */
export function say(
  base: string,
  target: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<Said> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const asked = request(
      {
        host: hostname,
        port,
        path: target,
        method,
        headers: headers as never,
        agent: false,
        timeout: LATE_MS,
      },
      (response) => {
        const parts: Buffer[] = [];
        const done = () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(parts).toString(),
          });
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', done);
        response.on('error', reject);
        if (String(response.headers['content-type']).startsWith('text/event-stream')) {
          done();
          asked.destroy();
        }
      },
    );
    asked.on('timeout', () => asked.destroy(new Error(`No answer to ${method} ${target}.`)));
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode ?? 101, headers: response.headers, body: '' });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** Asks for a WebSocket; 101 when it is given, which is hung up at once. */
export function upgrade(
  base: string,
  target: string,
  headers: Readonly<Record<string, string>>,
): Promise<Said> {
  return say(base, target, {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      ...headers,
    },
  });
}

/** Bytes as they are, and all that comes back until the other side ends or is quiet. */
export function sayBytes(base: string, bytes: string, quietMs = 400): Promise<string> {
  const { hostname, port } = new URL(base);
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const done = () => {
      socket.destroy();
      resolve(Buffer.concat(parts).toString('latin1'));
    };
    socket.setTimeout(quietMs, done);
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('end', done);
    socket.on('error', done);
    socket.write(bytes, 'latin1');
  });
}

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
