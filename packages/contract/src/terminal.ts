import { z } from 'zod';

/** The subprotocol of a terminal connection; the server answers with it alone. */
export const TERMINAL_PROTOCOL = 'clarateach.terminal.v1';
/** The subprotocol of a connection that watches files. */
export const FILES_PROTOCOL = 'clarateach.files.v1';
/** A browser cannot set headers on a WebSocket, so the seat token travels as a subprotocol. */
export const BEARER_PROTOCOL_PREFIX = 'bearer.';

export const CLOSE_NORMAL = 1000;
/** The server goes away; the client reconnects. */
export const CLOSE_GOING_AWAY = 1001;
/** The seat token expired; the client renews it and reconnects. */
export const CLOSE_TOKEN_EXPIRED = 4401;
/** The learner no longer holds this seat. */
export const CLOSE_REMOVED = 4403;

/** The largest bound on unacknowledged output that a server may announce, in bytes. */
export const MAX_WINDOW_BYTES = 2 * 1024 * 1024;

const dimension = z.number().int().min(1).max(1000);

/** Text frames from the client. Binary frames are keystrokes. */
export const clientMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('attach'),
    cols: dimension,
    rows: dimension,
    /** Bytes of output this client already has; 0 asks for all that is kept. */
    after: z.number().int().min(0).default(0),
    /** A `read` viewer's input is dropped. */
    mode: z.enum(['write', 'read']).default('write'),
  }),
  z.object({ type: z.literal('resize'), cols: dimension, rows: dimension }),
  /** Bytes of output taken in since the last acknowledgement. */
  z.object({ type: z.literal('ack'), bytes: z.number().int().min(1) }),
]);
export type ClientMessage = z.infer<typeof clientMessage>;

/** Text frames from the server. Binary frames are output. */
export const serverMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('ready'),
    /** The number of the next output byte, counted from the shell's beginning. */
    offset: z.number().int().min(0),
    /** Bytes of output that may be unacknowledged before the server stops reading. */
    window: z.number().int().min(1).max(MAX_WINDOW_BYTES),
  }),
  z.object({ type: z.literal('exit'), code: z.number().int() }),
  z.object({ type: z.literal('error'), code: z.string(), message: z.string() }),
]);
export type ServerMessage = z.infer<typeof serverMessage>;
