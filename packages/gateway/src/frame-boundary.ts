const CLOSE_OPCODE = 8;

/**
 * Follows the frames of a WebSocket stream without touching them, so that a frame of the gateway's
 * own can be put between two of theirs and never into one. Reads headers only.
 */
export class FrameBoundary {
  readonly #header = Buffer.alloc(14);
  #have = 0;
  #need = 2;
  #payload = 0;
  /** A close frame has begun: nothing may follow it. */
  closing = false;

  get atBoundary(): boolean {
    return this.#have === 0 && this.#payload === 0;
  }

  /** Follows `chunk` to its end. */
  follow(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at = this.#step(chunk, at);
  }

  /** Follows `chunk` to the first boundary in it; returns how many bytes come before. */
  followToBoundary(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && !this.atBoundary) at = this.#step(chunk, at);
    return at;
  }

  #step(chunk: Buffer, at: number): number {
    if (this.#payload > 0) {
      const taken = Math.min(this.#payload, chunk.length - at);
      this.#payload -= taken;
      return at + taken;
    }
    this.#header[this.#have++] = chunk[at] as number;
    if (this.#have === 2) this.#need = headerLength(this.#header[1] as number);
    if (this.#have === this.#need) this.#endHeader();
    return at + 1;
  }

  #endHeader(): void {
    const length = (this.#header[1] as number) & 0x7f;
    if (length === 126) this.#payload = this.#header.readUInt16BE(2);
    else if (length === 127) this.#payload = Number(this.#header.readBigUInt64BE(2));
    else this.#payload = length;
    if (((this.#header[0] as number) & 0x0f) === CLOSE_OPCODE) this.closing = true;
    this.#have = 0;
    this.#need = 2;
  }
}

function headerLength(second: number): number {
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & 0x80 ? 4 : 0);
}

/** A close frame as a server sends it. `reason` has at most 123 bytes. */
export function closeFrame(code: number, reason: string): Buffer {
  const text = Buffer.from(reason);
  const frame = Buffer.alloc(4 + text.length);
  frame[0] = 0x80 | CLOSE_OPCODE;
  frame[1] = 2 + text.length;
  frame.writeUInt16BE(code, 2);
  text.copy(frame, 4);
  return frame;
}
