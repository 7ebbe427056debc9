import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Mounted } from './testing.ts';

/*
 * Who holds whom back is told by buffers, and not by a clock. Client, gateway and seat of a test run on one
 * event loop and are joined by sockets in the file system, where a write is in the other side's buffer at
 * once and only its reader makes room again. So a queue that keeps its length while the loop goes round,
 * and everybody has had their turn, waits for somebody who does not read; on a slow machine as well.
 */

/** Turns of the loop for bytes to pass from one end to the other, many times over. */
const TURNS = 50;
/** More than anybody takes who is held back: the buffers of three sockets and of three programs. */
export const HELD_BACK_BYTES = 4e6;
/** What is written at most, to somebody who does not hold back. */
export const MOST_BYTES = 50e6;
const BLOCK = Buffer.alloc(64 * 1024);

/** What counts as much as a queue: a socket, a request, a response. */
interface Sink {
  readonly writableNeedDrain: boolean;
  readonly writableLength: number;
}

/** The path of a socket by which the mounted server is reached until the test's end. */
export async function entrance(t: TestContext, { server }: Mounted): Promise<string> {
  const path = join(tmpdir(), `clarateach-entrance-${process.pid}-${performance.now()}.sock`);
  const door = createServer({ allowHalfOpen: true });
  door.on('connection', (socket: Socket) => {
    server.emit('connection', socket);
    t.after(() => socket.destroy());
  });
  await new Promise<void>((resolve) => door.listen(path, resolve));
  t.after(() => void door.close());
  return path;
}

/** Whether the sink takes more; false once its queue stands still. */
export async function takesMore(sink: Sink): Promise<boolean> {
  for (let still = 0, queued = -1; still < TURNS; ) {
    if (!sink.writableNeedDrain) return true;
    still = sink.writableLength === queued ? still + 1 : 0;
    queued = sink.writableLength;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return false;
}

/** Writes until the sink takes no more, or so many bytes are written; gives how many were. */
export async function fill(sink: Sink & { write(block: Buffer): boolean }, most: number): Promise<number> {
  let written = 0;
  while (written < most) {
    written += BLOCK.length;
    if (!sink.write(BLOCK) && !(await takesMore(sink))) break;
  }
  return written;
}
