/**
 * What the workspace server inside a seat offers to the gateway, and to nobody else. A seat that
 * runs in a container answers on TCP; a `local` seat answers on Unix sockets of the same names.
 */

export const TERMINAL_PORT = 3001;
export const FILES_PORT = 3002;
export const BROWSER_PORT = 3003;
/** Ports of the platform inside a seat; never offered as a preview. */
export const PLATFORM_PORTS: readonly number[] = [TERMINAL_PORT, FILES_PORT, BROWSER_PORT];

/** `GET` on the terminal port: 200 once terminal and files can be used. */
export const HEALTH_PATH = '/health';
/** `GET` on the files port: the ports that the learner's own programs listen on, `{ports: number[]}`. */
export const PORTS_PATH = '/ports';
/**
 * `GET /tunnel/<port>` with `Connection: Upgrade`, `Upgrade: tcp` on the files port: after the 101
 * the connection is a byte stream to 127.0.0.1:<port> inside the seat. 404 when nothing of this
 * seat listens there.
 */
export const TUNNEL_PATH = '/tunnel';

/** Where a running seat is reached. */
export type SeatEndpoint =
  | { readonly kind: 'tcp'; readonly host: string }
  /** A directory with the sockets `3001.sock` and `3002.sock`. */
  | { readonly kind: 'unix'; readonly directory: string }
  /**
   * On another machine: `GET <url>/<port>` with the agent's token, `Connection: Upgrade` and
   * `Upgrade: tcp` becomes a byte stream to that port of the seat. `agent` is the agent's origin.
   */
  | { readonly kind: 'agent'; readonly agent: string; readonly url: string };

/** An endpoint that programs of the seat's own machine reach. */
export type DirectEndpoint = Exclude<SeatEndpoint, { kind: 'agent' }>;
