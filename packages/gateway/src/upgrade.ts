import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PublicError } from '@clarateach/contract/errors';
import { SeatFault } from './dial.ts';
import type { ResponseHead } from './http-head.ts';

const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** The client's key, when this is a WebSocket handshake as RFC 6455 writes it. */
export function webSocketKey(req: IncomingMessage): string {
  const key = req.headers['sec-websocket-key'];
  const asked = req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket';
  if (!asked || key === undefined || !KEY.test(key) || req.headers['sec-websocket-version'] !== '13') {
    throw new PublicError('invalid_input', 'This is not a WebSocket handshake of version 13.');
  }
  return key;
}

export function headerValue(head: ResponseHead, name: string): string | undefined {
  for (let index = 0; index < head.headers.length; index += 2) {
    if (head.headers[index]?.toLowerCase() === name) return head.headers[index + 1];
  }
  return undefined;
}

/** The accept key that goes with `key`. Throws when the seat switched to anything but this WebSocket. */
export function checkedAccept(head: ResponseHead, key: string): string {
  const accept = createHash('sha1')
    .update(key + ACCEPT_SUFFIX)
    .digest('base64');
  const upgraded = headerValue(head, 'upgrade')?.toLowerCase() === 'websocket';
  if (!upgraded || headerValue(head, 'sec-websocket-accept') !== accept) {
    throw new SeatFault('malformed', 'the seat accepted another handshake');
  }
  return accept;
}
