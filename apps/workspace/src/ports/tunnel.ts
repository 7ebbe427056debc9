import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { PublicError } from '@clarateach/contract/errors';
import { refuseUpgrade } from '../http.ts';
import { listeningPorts } from './listening.ts';

const CONNECT_MS = 5_000;

/** Joins an upgraded connection to a port of this seat: bytes both ways, each end closed when its other end is. */
export function openTunnel(socket: Duplex, head: Buffer, port: number): void {
  const listening = listeningPorts().find((each) => each.port === port);
  if (listening === undefined) {
    refuseUpgrade(socket, new PublicError('not_found', `Nothing in this seat listens on port ${port}.`));
    return;
  }
  const target = connect({ host: listening.host, port, allowHalfOpen: true, noDelay: true });
  const refuse = () => {
    refuseUpgrade(socket, new PublicError('not_found', `Nothing in this seat answers on port ${port}.`));
    target.destroy();
  };
  target.setTimeout(CONNECT_MS, refuse);
  target.once('error', refuse);
  const gone = () => target.destroy();
  socket.once('close', gone);
  target.once('connect', () => {
    target.setTimeout(0);
    target.off('error', refuse);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: tcp\r\n\r\n');
    if (head.length > 0) target.write(head);
    socket.on('error', () => target.destroy());
    target.on('error', () => socket.destroy());
    target.on('close', () => {
      if (!socket.writableEnded) socket.destroy();
    });
    socket.pipe(target);
    target.pipe(socket);
  });
}
