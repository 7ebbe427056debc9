import { setTimeout as pause } from 'node:timers/promises';
import { AbsentWriters } from './absent-writers.ts';
import { OutputLog } from './output-log.ts';
import { Pty } from './pty.ts';
import { isReport } from './reports.ts';
import type { Multiplexer } from './tmux.ts';
import type { Viewer, ViewerLink } from './viewer.ts';

/** Sizes of the flow control, in bytes, and times. */
export interface FlowLimits {
  /** Output that a viewer has not acknowledged; at the bound of every writer the PTY is not read. */
  readonly windowBytes: number;
  /** Output that is kept for viewers that come back; larger than the window. */
  readonly keptBytes: number;
  /** How long a writer whose connection broke still holds the output back, so that nothing is lost. */
  readonly graceMs: number;
  /** The least time between two redraws for viewers that fell behind. */
  readonly redrawEveryMs: number;
}

export const FLOW_LIMITS: FlowLimits = {
  windowBytes: 1024 * 1024,
  keptBytes: 1280 * 1024,
  graceMs: 10_000,
  redrawEveryMs: 1_000,
};

/** A frame is no larger, and a socket holds no more than so much that the kernel has not taken. */
const SOCKET_BYTES = 192 * 1024;
/** Before a session that lost its PTY gets another: one that cannot hold any must not be asked in a loop. */
const RESPAWN_MS = 100;

interface Size {
  readonly cols: number;
  readonly rows: number;
}

interface ViewerState {
  readonly link: ViewerLink;
  /** Of its screen. */
  size: Size;
  /** Offset of the next byte to send. */
  next: number;
  sentBytes: number;
  acknowledgedBytes: number;
  /** Fell behind: waits for its queue to empty, then goes on with a redraw. */
  skipping: boolean;
  exited: boolean;
}

/** One life of the shell: a PTY, what it wrote, and everybody who looks at it. */
export class Shell {
  readonly #multiplexer: Multiplexer;
  readonly #limits: FlowLimits;
  readonly #log: OutputLog;
  readonly #first: number;
  readonly #spawn: (cols: number, rows: number) => Pty;
  #pty: Pty;
  #size: Size = { cols: 80, rows: 24 };
  readonly #viewers = new Set<ViewerState>();
  readonly #absent: AbsentWriters;
  readonly #drained = new Set<() => void>();
  #paused = false;
  #flushing = false;
  #exitCode: number | undefined;
  #exitTold = false;
  #closed = false;
  #redrawAt = 0;
  #redrawTimer: NodeJS.Timeout | undefined;
  #redrawing: Promise<void> | undefined;

  static async start(options: {
    multiplexer: Multiplexer;
    env: Readonly<Record<string, string>>;
    directory: string;
    limits: FlowLimits;
  }): Promise<Shell> {
    return new Shell(options, await options.multiplexer.firstOffset());
  }

  private constructor(options: Parameters<typeof Shell.start>[0], first: number) {
    this.#multiplexer = options.multiplexer;
    this.#limits = options.limits;
    this.#first = first;
    this.#absent = new AbsentWriters({
      graceMs: options.limits.graceMs,
      onGivenUp: () => this.#regulate(),
    });
    this.#log = new OutputLog({ start: first, keptBytes: options.limits.keptBytes });
    this.#spawn = (cols, rows) =>
      new Pty({
        ...options.multiplexer.command,
        env: options.env,
        cwd: options.directory,
        cols,
        rows,
        onData: (data) => this.#take(data),
        onEnd: (code) => void this.#ptyEnded(code),
        onDrain: () => {
          for (const listener of this.#drained) listener();
        },
      });
    this.#pty = this.#spawn(this.#size.cols, this.#size.rows);
  }

  /**
   * Whether a viewer that has `after` bytes belongs here. A shell that has ended still takes whoever was
   * cut off before its end, for the bytes missed and the exit; everybody else needs a new one.
   */
  takes(after: number): boolean {
    if (this.#closed) return false;
    if (this.#exitCode === undefined) return true;
    return !this.#exitTold && after > this.#first && after >= this.#log.tail && after <= this.#log.head;
  }

  /** Input is queued beyond its bound. `onInputDrained` tells when it is short again. */
  get inputIsLong(): boolean {
    return this.#pty.inputIsLong;
  }

  onInputDrained(listener: () => void): () => void {
    this.#drained.add(listener);
    return () => this.#drained.delete(listener);
  }

  /** `after`: bytes of output that the viewer has; `size` counts when it writes. */
  attach(link: ViewerLink, options: { after: number; cols: number; rows: number }): Viewer {
    const { head, tail } = this.#log;
    // 0 asks for everything, which is what the first byte's number stands for after a restart.
    const after = options.after === 0 ? this.#first : options.after;
    const replay = after >= tail && after <= head;
    const restart = !replay && tail === this.#first;
    const next = replay ? after : restart ? this.#first : head;
    const state: ViewerState = {
      link,
      size: { cols: options.cols, rows: options.rows },
      next,
      sentBytes: 0,
      acknowledgedBytes: 0,
      skipping: false,
      exited: false,
    };
    if (link.mode === 'write') {
      this.#absent.welcome(after);
      this.#resize(state.size);
    }
    this.#viewers.add(state);
    link.ready(next);
    this.#pump(state);
    if (!replay && !restart) this.#redraw();
    this.#regulate();
    return {
      acknowledge: (bytes) => {
        state.acknowledgedBytes = Math.min(state.sentBytes, state.acknowledgedBytes + bytes);
        this.#pump(state);
        this.#regulate();
      },
      resize: (cols, rows) => {
        state.size = { cols, rows };
        if (link.mode === 'write') this.#resize(state.size);
      },
      input: (data) => {
        if (link.mode !== 'write' || isReport(data)) return;
        // Whoever works in the shell sees it whole.
        this.#resize(state.size);
        this.#pty.write(data);
      },
      detach: (reason) => {
        if (!this.#viewers.delete(state)) return;
        // A connection that broke may have lost the exit on its way.
        if (state.exited && reason === 'closed') this.#exitTold = true;
        if (link.mode === 'write' && reason === 'broken' && !state.skipping)
          this.#absent.await(state.next - (state.sentBytes - state.acknowledgedBytes));
        const last = [...this.#viewers].findLast((each) => each.link.mode === 'write');
        if (link.mode === 'write' && last) this.#resize(last.size);
        this.#regulate();
      },
    };
  }

  /** Lets go of the PTY. The session goes on without it. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#redrawTimer);
    this.#viewers.clear();
    this.#absent.clear();
    this.#pty.kill();
  }

  #resize(size: Size): void {
    const { cols, rows } = size;
    if (cols === this.#size.cols && rows === this.#size.rows) return;
    this.#size = size;
    this.#pty.resize(cols, rows);
  }

  #take(data: Buffer): void {
    this.#log.append(data);
    this.#regulate();
    if (this.#flushing) return;
    // One read brings at most 4 KiB and a poll brings many reads: they leave together, in the same turn of the loop.
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      for (const state of this.#viewers) this.#pump(state);
      this.#regulate();
    });
  }

  #pump(state: ViewerState): void {
    const { link } = state;
    if (state.skipping) {
      this.#resumeSkipped(state);
      return;
    }
    const room = () =>
      Math.min(
        this.#limits.windowBytes - (state.sentBytes - state.acknowledgedBytes),
        SOCKET_BYTES - link.bufferedBytes,
      );
    if (state.next < this.#log.head && room() > 0) {
      link.batch(() => {
        while (state.next < this.#log.head && state.next >= this.#log.tail) {
          const most = room();
          if (most <= 0) break;
          const piece = this.#log.read(state.next, most);
          state.next += piece.bytes.length;
          state.sentBytes += piece.bytes.length;
          link.output(piece.bytes, () => {
            piece.release();
            if (this.#viewers.has(state) && (state.skipping || state.next < this.#log.head))
              this.#pump(state);
          });
        }
      });
    }
    if (state.next < this.#log.tail) {
      state.skipping = true;
      this.#resumeSkipped(state);
    } else if (this.#exitCode !== undefined && state.next === this.#log.head && !state.exited) {
      state.exited = true;
      link.exit(this.#exitCode);
    }
  }

  /** A viewer that fell behind goes on once it has taken in what was on its way, and not too often: a redraw is seen by all. */
  #resumeSkipped(state: ViewerState): void {
    if (state.acknowledgedBytes < state.sentBytes || state.link.bufferedBytes > 0) return;
    const wait = this.#redrawAt + this.#limits.redrawEveryMs - performance.now();
    if (wait > 0 && this.#exitCode === undefined) {
      this.#redrawTimer ??= setTimeout(() => {
        this.#redrawTimer = undefined;
        for (const each of this.#viewers) if (each.skipping) this.#resumeSkipped(each);
      }, wait);
      return;
    }
    state.skipping = false;
    state.next = this.#log.head;
    state.link.ready(state.next);
    this.#redraw();
    this.#pump(state);
  }

  #redraw(): void {
    this.#redrawAt = performance.now();
    if (this.#redrawing !== undefined || this.#exitCode !== undefined) return;
    this.#redrawing = this.#multiplexer
      .redraw()
      // The session may end at this moment; the end is then what viewers are told.
      .catch(() => undefined)
      .finally(() => {
        this.#redrawing = undefined;
      });
  }

  /** Reads the PTY unless every writer is at its bound. Viewers that only look never hold it back. */
  #regulate(): void {
    const { head } = this.#log;
    const bound = this.#limits.windowBytes;
    let writers = this.#absent.count;
    let full = this.#absent.lacking(bound, head);
    for (const state of this.#viewers) {
      if (state.link.mode !== 'write') continue;
      writers += 1;
      const unacknowledged = state.sentBytes - state.acknowledgedBytes + head - state.next;
      if (state.skipping || unacknowledged >= bound) full += 1;
    }
    const hold = writers > 0 && full === writers;
    if (hold === this.#paused) return;
    this.#paused = hold;
    if (hold) this.#pty.pause();
    else this.#pty.resume();
  }

  async #ptyEnded(code: number): Promise<void> {
    if (this.#closed) return;
    const alive = await this.#multiplexer.isAlive();
    if (this.#closed) return;
    if (alive) {
      // Detached, or its client was killed: the session goes on, and so do its viewers.
      await pause(RESPAWN_MS);
      if (this.#closed) return;
      this.#paused = false;
      this.#pty = this.#spawn(this.#size.cols, this.#size.rows);
      this.#regulate();
      return;
    }
    this.#exitCode = code === 0 ? this.#multiplexer.exitCode() : code;
    for (const state of this.#viewers) this.#pump(state);
  }
}
