import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServerMessage, serverMessage, TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import { WebSocket } from 'ws';

/** Polls until the condition holds; fails with `what` and after the deadline. */
export async function until(condition: () => boolean, what: string, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 2));
  }
}

export interface TestViewer {
  readonly socket: WebSocket;
  readonly messages: ServerMessage[];
  /** All output as text, so far. */
  text(): string;
  bytes: number;
  closedWith: number | undefined;
  onOutput: (data: Buffer) => void;
  send(message: object): void;
  type(keys: string | Buffer): void;
  sees(text: string, deadlineMs?: number): Promise<void>;
  forget(): void;
  close(): Promise<void>;
}

/** A viewer of the terminal at a Unix socket. `ackEvery` 0 never acknowledges. */
export function view(
  path: string,
  attach: { after?: number; mode?: 'write' | 'read'; cols?: number; rows?: number } = {},
  options: { ackEvery?: number; keep?: boolean; autoPong?: boolean } = {},
): TestViewer {
  const { ackEvery = 64 * 1024, keep = true } = options;
  const socket = new WebSocket(`ws+unix:${path}:/terminal`, [TERMINAL_PROTOCOL], {
    perMessageDeflate: false,
    autoPong: options.autoPong ?? true,
  });
  let parts: Buffer[] = [];
  let unacknowledged = 0;
  const viewer: TestViewer = {
    socket,
    messages: [],
    bytes: 0,
    closedWith: undefined,
    onOutput: () => undefined,
    text: () => Buffer.concat(parts).toString(),
    send: (message) => socket.send(JSON.stringify(message)),
    type: (keys) => socket.send(Buffer.from(keys)),
    sees: (text, deadlineMs) =>
      until(
        () => viewer.text().includes(text),
        `${JSON.stringify(text)} in ${JSON.stringify(viewer.text().slice(-300))}`,
        deadlineMs,
      ).catch((error) => {
        throw new Error(`${error.message} in ${JSON.stringify(viewer.text().slice(-300))}`);
      }),
    forget: () => {
      parts = [];
    },
    close: async () => {
      if (socket.readyState === socket.CLOSED) return;
      const closed = once(socket, 'close');
      socket.close(1000);
      await closed;
    },
  };
  socket.on('open', () => viewer.send({ type: 'attach', cols: 80, rows: 24, ...attach }));
  socket.on('message', (data: Buffer, binary: boolean) => {
    if (!binary) {
      viewer.messages.push(serverMessage.parse(JSON.parse(data.toString())));
      return;
    }
    viewer.bytes += data.length;
    if (keep) parts.push(data);
    viewer.onOutput(data);
    unacknowledged += data.length;
    if (ackEvery > 0 && unacknowledged >= ackEvery && socket.readyState === socket.OPEN) {
      viewer.send({ type: 'ack', bytes: unacknowledged });
      unacknowledged = 0;
    }
  });
  socket.on('close', (code) => {
    viewer.closedWith = code;
  });
  socket.on('error', () => undefined);
  return viewer;
}

/** A directory that is removed at the end, short enough for socket paths. */
export function scratch(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'ct-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}
