import type { WebSocket } from 'ws';

/** Pings go out this often; a peer that answers none of two is dropped at the third, within 60 s. */
export const PING_EVERY_MS = 20_000;
const PINGS_UNANSWERED = 2;

/** Pings every connection and drops those that are dead. Returns what ends it. */
export function heartbeat(sockets: ReadonlySet<WebSocket>, everyMs = PING_EVERY_MS): () => void {
  const unanswered = new WeakMap<WebSocket, number>();
  const timer = setInterval(() => {
    for (const socket of sockets) {
      const pings = unanswered.get(socket);
      if (pings === undefined) {
        socket.on('pong', () => unanswered.set(socket, 0));
        socket.on('message', () => unanswered.set(socket, 0));
      }
      // A connection whose input is held back cannot be heard; it is alive as far as anybody knows.
      if (socket.isPaused) unanswered.set(socket, 0);
      else if ((pings ?? 0) >= PINGS_UNANSWERED) {
        socket.terminate();
        continue;
      } else unanswered.set(socket, (pings ?? 0) + 1);
      if (socket.readyState === socket.OPEN) socket.ping();
    }
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
