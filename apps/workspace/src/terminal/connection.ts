import type { Socket } from 'node:net';
import { CLOSE_NORMAL, type ServerMessage } from '@clarateach/contract/terminal';
import type { WebSocket } from 'ws';
import { parseClientMessage } from './frames.ts';
import type { Shell } from './shell.ts';
import type { Viewer, ViewerLink } from './viewer.ts';

/** RFC 6455: the peer broke the rules of the protocol. */
const CLOSE_POLICY = 1008;
const CLOSE_INTERNAL = 1011;

export interface ConnectionOptions {
  readonly socket: WebSocket;
  /** The TCP connection below, for writing several frames in one go. */
  readonly transport: Socket;
  readonly windowBytes: number;
  /** The shell that runs, or a new one, for a viewer that has `after` bytes. */
  readonly shell: (after: number) => Promise<Shell>;
}

/** One viewer's connection, from its attach message to its close. */
export function serveTerminal({ socket, transport, windowBytes, shell }: ConnectionOptions): void {
  let viewer: Viewer | undefined;
  let attaching = false;
  let failed = false;
  /** What came between the attach message and the shell's being there. */
  const early: (() => void)[] = [];

  const tell = (message: ServerMessage) => socket.send(JSON.stringify(message));
  const fail = (code: string, message: string, close = CLOSE_POLICY) => {
    if (failed) return;
    failed = true;
    tell({ type: 'error', code, message });
    socket.close(close);
  };

  const attach = async (options: { cols: number; rows: number; after: number; mode: 'write' | 'read' }) => {
    attaching = true;
    const running = await shell(options.after);
    if (socket.readyState !== socket.OPEN) return;
    const link: ViewerLink = {
      mode: options.mode,
      get bufferedBytes() {
        return socket.bufferedAmount;
      },
      ready: (offset) => tell({ type: 'ready', offset, window: windowBytes }),
      output: (bytes, sent) => socket.send(bytes, { binary: true }, sent),
      batch: (work) => {
        transport.cork();
        work();
        transport.uncork();
      },
      exit: (code) => {
        tell({ type: 'exit', code });
        socket.close(CLOSE_NORMAL);
      },
    };
    viewer = running.attach(link, options);
    const current = viewer;
    const forget = running.onInputDrained(() => socket.resume());
    input = (data) => {
      current.input(data);
      if (options.mode === 'write' && running.inputIsLong) socket.pause();
    };
    socket.once('close', (code) => {
      forget();
      current.detach(code === CLOSE_NORMAL ? 'closed' : 'broken');
    });
    for (const each of early.splice(0)) each();
  };
  let input = (_data: Buffer): void => undefined;

  const receive = (data: Buffer, binary: boolean) => {
    if (binary) {
      if (viewer === undefined) fail('invalid_input', 'The first message must be attach.');
      else input(data);
      return;
    }
    const message = parseClientMessage(data.toString());
    if (message === undefined) {
      fail('invalid_input', 'This is not a message of clarateach.terminal.v1: attach, resize or ack.');
    } else if (message.type === 'attach') {
      if (attaching) {
        fail('invalid_input', 'This connection is attached already; open another one.');
        return;
      }
      attach(message).catch((error: unknown) => {
        console.error(
          JSON.stringify({ level: 'error', message: 'The terminal could not start', error: String(error) }),
        );
        fail('unavailable', 'The terminal could not start. Try again in a moment.', CLOSE_INTERNAL);
      });
    } else if (viewer === undefined) {
      fail('invalid_input', 'The first message must be attach.');
    } else if (message.type === 'resize') viewer.resize(message.cols, message.rows);
    else viewer.acknowledge(message.bytes);
  };

  socket.on('message', (data: Buffer, binary: boolean) => {
    if (failed) return;
    if (attaching && viewer === undefined) early.push(() => receive(data, binary));
    else receive(data, binary);
  });
  // A broken frame closes the connection by itself; `close` follows.
  socket.on('error', () => undefined);
}
