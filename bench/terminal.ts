import { once } from 'node:events';
import type { SeatSession } from '@clarateach/contract/join';
import { BEARER_PROTOCOL_PREFIX, type ServerMessage, TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import WebSocket from 'ws';

const ACK_BYTES = 64 * 1024;

/** A learner's terminal that acknowledges what it takes in, as the web app does. */
export interface Terminal {
  write(text: string): void;
  /** Resolves with the first output that comes. */
  readonly first: Promise<Buffer>;
  /** Calls back with each piece of output, until it returns true. */
  until(done: (chunk: Buffer) => boolean): Promise<void>;
  /** Resolves when the output since now contains `text`. */
  shows(text: string): Promise<void>;
  /** Stops and starts reading from the connection, as a stalled browser does. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
  /** The close code, once it is closed. */
  readonly closed: Promise<number>;
}

export async function openTerminal(
  address: { readonly url: string; readonly token?: string },
  size = { cols: 100, rows: 30 },
): Promise<Terminal> {
  const protocols = [
    TERMINAL_PROTOCOL,
    ...(address.token ? [`${BEARER_PROTOCOL_PREFIX}${address.token}`] : []),
  ];
  const socket = new WebSocket(address.url.replace(/^http/, 'ws'), protocols, { perMessageDeflate: false });
  await once(socket, 'open');
  const listeners = new Set<(chunk: Buffer) => void>();
  let unacknowledged = 0;
  const ready = Promise.withResolvers<void>();
  const first = Promise.withResolvers<Buffer>();
  socket.on('message', (data: Buffer, binary: boolean) => {
    if (!binary) {
      const message = JSON.parse(data.toString()) as ServerMessage;
      if (message.type === 'ready') ready.resolve();
      if (message.type === 'error') ready.reject(new Error(message.message));
      return;
    }
    first.resolve(data);
    unacknowledged += data.length;
    if (unacknowledged >= ACK_BYTES) {
      socket.send(JSON.stringify({ type: 'ack', bytes: unacknowledged }));
      unacknowledged = 0;
    }
    for (const listener of listeners) listener(data);
  });
  const closed = (once(socket, 'close') as Promise<[number]>).then(([code]) => code);
  socket.on('close', () => ready.reject(new Error('The terminal was closed.')));
  socket.send(JSON.stringify({ type: 'attach', ...size, after: 0, mode: 'write' }));

  const until = (done: (chunk: Buffer) => boolean) =>
    new Promise<void>((resolve, reject) => {
      const failed = () => reject(new Error('The terminal was closed.'));
      const listener = (chunk: Buffer) => {
        if (!done(chunk)) return;
        listeners.delete(listener);
        socket.off('close', failed);
        resolve();
      };
      listeners.add(listener);
      socket.once('close', failed);
    });
  await ready.promise;
  return {
    first: first.promise,
    closed,
    write: (text) => socket.send(Buffer.from(text)),
    until,
    shows(text) {
      let tail = '';
      return until((chunk) => {
        tail = (tail + chunk.toString('latin1')).slice(-4096 - text.length);
        return tail.includes(text);
      });
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    async close() {
      socket.close();
      await closed;
    },
  };
}

export function seatAddress({ endpoint, seat, token }: SeatSession): { url: string; token: string } {
  return { url: `${endpoint}/vm/${seat}/terminal`, token };
}
