import { once } from 'node:events';
import {
  BEARER_PROTOCOL_PREFIX,
  type ClientMessage,
  type ServerMessage,
  TERMINAL_PROTOCOL,
} from '@clarateach/contract/terminal';
import WebSocket from 'ws';

const ACK_BYTES = 64 * 1024;

/** The output of one shell as one client has it, over all its connections: bytes, each with its number. */
export class CountedOutput {
  /** The number of the first byte. */
  #start: number | undefined;
  #parts: Buffer[] = [];
  #end = 0;
  #waiting: { readonly until: number; readonly done: () => void }[] = [];

  /** The number of the next byte. */
  get end(): number {
    return this.#end;
  }

  /** A connection begins at this byte. Throws unless it is the very next one. */
  begin(offset: number): void {
    if (this.#start === undefined) {
      this.#start = offset;
      this.#end = offset;
    }
    if (offset !== this.#end) {
      throw new Error(`${offset - this.#end} bytes were lost (or came twice, below zero) before ${offset}.`);
    }
  }

  add(data: Buffer): void {
    this.#parts.push(data);
    this.#end += data.length;
    this.#waiting = this.#waiting.filter(({ until, done }) => {
      if (this.#end < until) return true;
      done();
      return false;
    });
  }

  /** Resolves when byte number `until` - 1 is here. */
  reaches(until: number): Promise<void> {
    if (this.#end >= until) return Promise.resolve();
    return new Promise((done) => {
      this.#waiting.push({ until, done });
    });
  }

  /** The bytes from number `from` up to `to`. */
  between(from: number, to: number): Buffer {
    const start = this.#start ?? 0;
    return Buffer.concat(this.#parts).subarray(from - start, to - start);
  }
}

/** Attaches after what `output` has, and adds what comes to it. */
export async function attach(
  { url, token }: { readonly url: string; readonly token?: string },
  output: CountedOutput,
  mode: 'read' | 'write' = 'write',
): Promise<WebSocket> {
  const protocols = [TERMINAL_PROTOCOL, ...(token ? [`${BEARER_PROTOCOL_PREFIX}${token}`] : [])];
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, { perMessageDeflate: false });
  const say = (message: ClientMessage) => socket.send(JSON.stringify(message));
  const ready = Promise.withResolvers<void>();
  let unacknowledged = 0;
  socket.on('message', (data: Buffer, binary: boolean) => {
    if (!binary) {
      const message = JSON.parse(data.toString()) as ServerMessage;
      try {
        if (message.type !== 'ready') throw new Error(`The terminal said ${data.toString()}`);
        output.begin(message.offset);
        ready.resolve();
      } catch (error) {
        ready.reject(error);
      }
      return;
    }
    output.add(data);
    unacknowledged += data.length;
    if (unacknowledged < ACK_BYTES || socket.readyState !== socket.OPEN) return;
    say({ type: 'ack', bytes: unacknowledged });
    unacknowledged = 0;
  });
  socket.on('close', () => ready.reject(new Error('The terminal was closed.')));
  await once(socket, 'open');
  // What a cut connection says later is nobody's.
  socket.on('error', () => undefined);
  say({ type: 'attach', cols: 100, rows: 30, after: output.end, mode });
  await ready.promise;
  return socket;
}
