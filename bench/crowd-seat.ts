/**
 * Terminals at 40 KB/s each, behind the socket of a directory. Started by crowd.ts with the directory
 * as the only argument; says `listening`. Every frame begins with its number, so that a lost one is seen.
 */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { WebSocketServer } from 'ws';
import { FRAME_BYTES, FRAMES_PER_SECOND } from './crowd-frames.ts';

const server = createServer();
const terminals = new WebSocketServer({ server, perMessageDeflate: false });
terminals.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.once('message', (asked) => {
    const { frames, delayMs } = JSON.parse(asked.toString()) as { frames: number; delayMs: number };
    let sent = 0;
    const send = () => {
      const frame = Buffer.alloc(FRAME_BYTES, 'x');
      frame.writeUInt32BE(sent);
      socket.send(frame);
      sent += 1;
      if (sent === frames) clearInterval(timer);
    };
    let timer: NodeJS.Timeout | undefined;
    const first = setTimeout(() => {
      timer = setInterval(send, 1000 / FRAMES_PER_SECOND);
    }, delayMs);
    socket.on('close', () => {
      clearTimeout(first);
      clearInterval(timer);
    });
  });
});
server.listen(join(process.argv[2] ?? '', '3001.sock'), () => console.log('listening'));
process.once('SIGTERM', () => process.exit(0));
