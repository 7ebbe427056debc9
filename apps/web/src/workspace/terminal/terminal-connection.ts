import type { ClientMessage } from '@clarateach/contract/terminal';
import {
  BEARER_PROTOCOL_PREFIX,
  CLOSE_REMOVED,
  CLOSE_TOKEN_EXPIRED,
  TERMINAL_PROTOCOL,
} from '@clarateach/contract/terminal';
import { InputLog } from './input-log.ts';
import { OutputAccount } from './output-account.ts';
import { reconnectDelayMs } from './reconnect-schedule.ts';
import { readServerMessage } from './server-message.ts';

/** Why there is no terminal right now, when it comes back by itself. */
export type WaitCause = 'network' | 'seat' | 'blocked';

export type ConnectionState =
  | { readonly kind: 'connecting'; readonly attempt: number }
  | { readonly kind: 'ready' }
  /** The next attempt is at `at` (milliseconds of the clock). */
  | { readonly kind: 'waiting'; readonly cause: WaitCause; readonly at: number }
  | { readonly kind: 'exited'; readonly code: number }
  /** The server will not serve this page; `message` is for people. */
  | { readonly kind: 'refused'; readonly message: string }
  | { readonly kind: 'closed' };

/**
 * What a failed connection turned out to be. `seat-answers`: a plain request gets through to the seat.
 * `gone`: the caller shows why; nothing is tried again.
 */
export type Diagnosis = 'retry' | 'seat-answers' | 'seat-not-running' | 'gone';

/** The part of a WebSocket that a connection uses. */
export interface Socket {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number): void;
}

export interface TerminalEnvironment {
  /** Address and seat token for the next connection; renews the token when it is about to expire. */
  credentials(): Promise<{ url: string; token: string }>;
  openSocket(url: string, protocols: string[]): Socket;
  /** Finds out why a connection failed: a browser hides the answer to a refused upgrade. */
  diagnose(reason: 'failed' | 'expired' | 'removed'): Promise<Diagnosis>;
  /** Whether the seat answers at all right now. */
  isReachable(): Promise<boolean>;
  /** Shows output; `parsed` is called when the terminal has taken it in. */
  write(output: Uint8Array, parsed: () => void): void;
  /** Clears the screen for a redraw. */
  clear(): void;
  size(): { cols: number; rows: number };
  onState(state: ConnectionState): void;
  onHeldInput(bytes: number): void;
  /** Held input was for a shell that is gone, and goes to no other one. */
  onInputDropped(): void;
  now(): number;
  random(): number;
  setTimer(callback: () => void, ms: number): unknown;
  clearTimer(timer: unknown): void;
}

/** A paste travels in frames of this size: one frame of megabytes is more than a server needs to accept. */
const INPUT_FRAME_BYTES = 32 * 1024;
/** A connection that has not said `ready` by then is given up. */
const READY_TIMEOUT_MS = 10_000;
/** Input that nothing answers for so long may have gone nowhere: the connection is looked after. */
const SILENCE_MS = 5_000;
/** So many failures in a row beside a seat that answers mean that something on the way lets no WebSocket through. */
const BLOCKED_AFTER = 3;
/** A connection that lasted this long was a good one: the next failure starts the schedule anew. */
const STABLE_MS = 5_000;

/** One terminal over as many connections as it takes: no byte of output twice or lost, input kept in between. */
export class TerminalConnection {
  readonly #env: TerminalEnvironment;
  readonly #output = new OutputAccount();
  readonly #input = new InputLog();
  #socket: Socket | undefined;
  #state: ConnectionState = { kind: 'closed' };
  #connection = 0;
  #attempt = 0;
  /** Failures in a row while the seat answers plain requests. */
  #besideAnswers = 0;
  /** Counts attempts to connect, so that what belongs to an abandoned one is ignored. */
  #generation = 0;
  #timer: unknown;
  #readyAt: number | undefined;
  #silenceTimer: unknown;

  constructor(env: TerminalEnvironment) {
    this.#env = env;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Connects now: at first, from a wait, after the shell's exit, or to replace a connection in doubt. */
  connect(): void {
    this.#abandon();
    if (this.#state.kind === 'exited') this.#output.forget();
    const generation = ++this.#generation;
    this.#enter({ kind: 'connecting', attempt: this.#attempt });
    this.#env.credentials().then(
      ({ url, token }) => {
        if (generation === this.#generation) this.#open(generation, url, token);
      },
      () => {
        if (generation === this.#generation) void this.#failed(generation, 'failed');
      },
    );
  }

  /** Keystrokes or a paste. Sent in order, now or after the next `ready`. Returns false when they cannot be kept. */
  send(input: Uint8Array<ArrayBuffer>): boolean {
    if (this.#state.kind === 'ready' && this.#socket) {
      for (let at = 0; at < input.length; at += INPUT_FRAME_BYTES) {
        const frame = input.subarray(at, at + INPUT_FRAME_BYTES);
        this.#socket.send(frame);
        this.#input.sentInput(frame);
      }
      this.#silenceTimer ??= this.#env.setTimer(() => void this.#silent(), SILENCE_MS);
      return true;
    }
    if (this.#state.kind === 'exited' || this.#state.kind === 'refused') return false;
    const held = this.#input.hold(input);
    this.#env.onHeldInput(this.#input.heldBytes);
    return held;
  }

  resize(cols: number, rows: number): void {
    if (this.#state.kind === 'ready') this.#sendControl({ type: 'resize', cols, rows });
  }

  /** The network changed or the machine slept: a connection may be dead without having been told. */
  checkConnection(): void {
    if (this.#state.kind === 'ready' || this.#state.kind === 'waiting') this.connect();
  }

  /** The connection may be dead: asks the seat beside it, and connects anew when that gets no answer. */
  async doubt(): Promise<void> {
    const generation = this.#generation;
    const reachable = await this.#env.isReachable();
    if (!reachable && generation === this.#generation && this.#state.kind === 'ready') this.connect();
  }

  /** Nothing has answered the input. The seat may answer beside a connection that leads nowhere any more. */
  async #silent(): Promise<void> {
    const timer = this.#silenceTimer;
    await this.doubt();
    // Heard of, or connected anew, while it was asked.
    if (this.#state.kind !== 'ready' || this.#silenceTimer !== timer) return;
    // A program that takes input in silence loses nothing by another connection: it goes on at the same byte.
    this.#silenceTimer = this.#env.setTimer(() => this.connect(), SILENCE_MS);
  }

  close(): void {
    this.#generation += 1;
    this.#abandon();
    this.#enter({ kind: 'closed' });
  }

  #open(generation: number, url: string, token: string): void {
    const socket = this.#env.openSocket(url, [TERMINAL_PROTOCOL, BEARER_PROTOCOL_PREFIX + token]);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#timer = this.#env.setTimer(() => {
      socket.close();
      void this.#failed(generation, 'failed');
    }, READY_TIMEOUT_MS);
    socket.onopen = () => {
      this.#sendControl({ type: 'attach', ...this.#env.size(), after: this.#output.received, mode: 'write' });
    };
    socket.onmessage = ({ data }) => {
      if (generation !== this.#generation) return;
      this.#heard();
      if (typeof data === 'string') this.#control(generation, data);
      else if (data instanceof ArrayBuffer) this.#take(new Uint8Array(data));
    };
    socket.onclose = ({ code }) => {
      if (generation !== this.#generation || this.#state.kind === 'exited') return;
      const reason = code === CLOSE_TOKEN_EXPIRED ? 'expired' : code === CLOSE_REMOVED ? 'removed' : 'failed';
      void this.#failed(generation, reason);
    };
  }

  #control(generation: number, text: string): void {
    const message = readServerMessage(text);
    if (message?.type === 'ready') this.#ready(message.offset, message.window);
    else if (message?.type === 'exit') {
      this.#enter({ kind: 'exited', code: message.code });
      this.#abandon();
    } else if (message?.type === 'error') {
      // A seat that is being replaced comes back; anything else would be refused again.
      if (message.code === 'seat_not_running' || message.code === 'unavailable') {
        void this.#failed(generation, 'failed');
      } else {
        this.#generation += 1;
        this.#abandon();
        this.#enter({ kind: 'refused', message: message.message });
      }
    }
  }

  #ready(offset: number, windowBytes: number): void {
    this.#env.clearTimer(this.#timer);
    const { connection, screen } = this.#output.ready(offset, windowBytes);
    this.#connection = connection;
    if (screen !== 'continue') this.#env.clear();
    // What was meant for a program in the old shell would run as commands in the new one.
    const dropped = screen === 'other-shell' && this.#input.release().length > 0;
    this.#readyAt = this.#env.now();
    this.#besideAnswers = 0;
    this.#enter({ kind: 'ready' });
    for (const input of this.#input.release()) this.send(input as Uint8Array<ArrayBuffer>);
    this.#env.onHeldInput(0);
    if (dropped) this.#env.onInputDropped();
    // The window may have changed since the attach was sent.
    this.resize(this.#env.size().cols, this.#env.size().rows);
  }

  #take(output: Uint8Array): void {
    const connection = this.#connection;
    this.#output.arrived(output.length);
    this.#env.write(output, () => {
      const bytes = this.#output.parsed(connection, output.length);
      if (bytes > 0 && this.#state.kind === 'ready') this.#sendControl({ type: 'ack', bytes });
    });
  }

  async #failed(generation: number, reason: 'failed' | 'expired' | 'removed'): Promise<void> {
    if (generation !== this.#generation) return;
    const next = ++this.#generation;
    this.#abandon();
    if (this.#readyAt !== undefined && this.#env.now() - this.#readyAt >= STABLE_MS) this.#attempt = 0;
    this.#readyAt = undefined;
    this.#enter({ kind: 'connecting', attempt: this.#attempt });
    const diagnosis = await this.#env.diagnose(reason).catch((): Diagnosis => 'retry');
    if (next !== this.#generation) return;
    if (diagnosis === 'gone') {
      this.#enter({ kind: 'closed' });
      return;
    }
    this.#besideAnswers = diagnosis === 'seat-answers' ? this.#besideAnswers + 1 : 0;
    const delayMs = reconnectDelayMs(this.#attempt, this.#env.random);
    this.#attempt += 1;
    if (delayMs === 0) {
      this.connect();
      return;
    }
    this.#enter({ kind: 'waiting', cause: this.#causeOf(diagnosis), at: this.#env.now() + delayMs });
    this.#timer = this.#env.setTimer(() => this.connect(), delayMs);
  }

  #causeOf(diagnosis: Diagnosis): WaitCause {
    if (diagnosis === 'seat-not-running') return 'seat';
    return this.#besideAnswers >= BLOCKED_AFTER ? 'blocked' : 'network';
  }

  #heard(): void {
    this.#env.clearTimer(this.#silenceTimer);
    this.#silenceTimer = undefined;
  }

  /** Lets go of the socket and takes back what it had not put on the wire. */
  #abandon(): void {
    this.#heard();
    this.#env.clearTimer(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    this.#input.connectionLost(socket.bufferedAmount);
    this.#env.onHeldInput(this.#input.heldBytes);
    socket.close(1000);
  }

  #sendControl(message: ClientMessage): void {
    if (!this.#socket) return;
    const text = JSON.stringify(message);
    this.#socket.send(text);
    this.#input.sentControl(text.length);
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#env.onState(state);
  }
}
