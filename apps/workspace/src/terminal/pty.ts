import { existsSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ReadStream } from 'node:tty';

/** The binary of node-pty 1.1, which is used without its JavaScript: that busy-loops on a PTY that is full and allocates 64 KiB for every read of 4. */
interface NativePty {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helperPath: string,
    onExit: (code: number, signal: number) => void,
  ): { fd: number; pid: number };
  resize(fd: number, cols: number, rows: number): void;
}

let native: NativePty | undefined;

function nativePty(): NativePty {
  if (native !== undefined) return native;
  const platform = `${process.platform}-${process.arch}`;
  const bundled = join(import.meta.dirname, 'pty', platform, 'pty.node');
  const require = createRequire(import.meta.url);
  if (existsSync(bundled)) native = require(bundled) as NativePty;
  else {
    const nodePty = createRequire(require.resolve('@lydell/node-pty'));
    native = nodePty(`@lydell/node-pty-${platform}/pty.node`) as NativePty;
  }
  return native;
}

/** Milliseconds until a PTY that was full is tried again: the kernel has no event for it that Node passes on. */
const RETRY_MS = 1;
/** A single write is no larger: the kernel takes less than that at once, and slices are free. */
const WRITE_BYTES = 64 * 1024;

export interface PtyOptions {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly cols: number;
  readonly rows: number;
  /** Output; the buffer is used again after the call. */
  readonly onData: (data: Buffer) => void;
  /** All output has been given to `onData` and the process has ended. Called once. */
  readonly onEnd: (code: number) => void;
  /** The input queue has become short after it was long. */
  readonly onDrain: () => void;
}

/** Queued input above this counts as long, and as short again below the second. */
const INPUT_HIGH_BYTES = 512 * 1024;
const INPUT_LOW_BYTES = 64 * 1024;

/** A process on a pseudo terminal, in raw bytes. */
export class Pty {
  readonly #options: PtyOptions;
  readonly #fd: number;
  readonly #pid: number;
  readonly #stream: ReadStream;
  readonly #input: Buffer[] = [];
  #queued = 0;
  #long = false;
  #retry: NodeJS.Timeout | undefined;
  #open = true;
  #exitCode: number | undefined;

  constructor(options: PtyOptions) {
    this.#options = options;
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    const { fd, pid } = nativePty().fork(
      options.file,
      options.args,
      env,
      options.cwd,
      options.cols,
      options.rows,
      -1,
      -1,
      true,
      '',
      (code, signal) => {
        this.#exitCode = signal === 0 ? code : 128 + signal;
        this.#closeSoon();
        this.#ended();
      },
    );
    this.#fd = fd;
    this.#pid = pid;
    const onread = {
      buffer: Buffer.allocUnsafeSlow(64 * 1024),
      callback: (count: number, buffer: Uint8Array) => {
        options.onData((buffer as Buffer).subarray(0, count));
        return true;
      },
    };
    // net.Socket's `onread`: one buffer for all reads. The types of tty know only the descriptor.
    const Stream = ReadStream as unknown as new (fd: number, options: object) => ReadStream;
    this.#stream = new Stream(fd, { onread });
    this.#stream.on('error', () => this.#stream.destroy()); // EIO is how Linux says that nobody has the terminal open
    this.#stream.on('close', () => {
      this.#open = false;
      clearTimeout(this.#retry);
      this.#input.length = 0;
      this.#queued = 0;
      if (this.#long) {
        this.#long = false;
        this.#options.onDrain();
      }
      this.#ended();
    });
    this.#stream.resume();
  }

  /** Input is queued beyond a bound: whoever reads from a network stops until `onDrain`. */
  get inputIsLong(): boolean {
    return this.#long;
  }

  write(data: Buffer): void {
    if (!this.#open) return;
    for (let from = 0; from < data.length; from += WRITE_BYTES) {
      this.#input.push(data.subarray(from, from + WRITE_BYTES));
    }
    this.#queued += data.length;
    if (this.#retry === undefined) this.#flush();
    if (this.#queued > INPUT_HIGH_BYTES) this.#long = true;
  }

  resize(cols: number, rows: number): void {
    if (this.#open) nativePty().resize(this.#fd, cols, rows);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Hangs up. `onEnd` follows. */
  kill(): void {
    try {
      process.kill(this.#pid, 'SIGHUP');
    } catch {
      // It has ended already.
    }
    this.#stream.destroy();
  }

  /** A grandchild may keep the terminal open for ever; what was written is read within a moment. */
  #closeSoon(): void {
    if (!this.#open) return;
    setTimeout(() => {
      if (this.#stream.isPaused()) this.#closeSoon();
      else this.#stream.destroy();
    }, 200).unref();
  }

  #flush(): void {
    this.#retry = undefined;
    while (this.#open) {
      const next = this.#input[0];
      if (next === undefined) break;
      let written = 0;
      try {
        written = writeSync(this.#fd, next);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== 'EAGAIN' && code !== 'EINTR') {
          this.#stream.destroy();
          return;
        }
      }
      this.#queued -= written;
      if (written === next.length) this.#input.shift();
      else {
        this.#input[0] = next.subarray(written);
        this.#retry = setTimeout(() => this.#flush(), RETRY_MS);
        break;
      }
    }
    if (this.#long && this.#queued < INPUT_LOW_BYTES) {
      this.#long = false;
      this.#options.onDrain();
    }
  }

  #ended(): void {
    if (this.#open || this.#exitCode === undefined) return;
    const code = this.#exitCode;
    this.#exitCode = undefined;
    this.#options.onEnd(code);
  }
}
