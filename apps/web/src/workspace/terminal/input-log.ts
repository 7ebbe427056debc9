/** Input kept while there is no connection; a person types far less, a paste may be more. */
export const MAX_HELD_BYTES = 256 * 1024;
/** Frames remembered after they were handed to the browser. */
const MAX_REMEMBERED = 256;

interface SentFrame {
  readonly bytes: number;
  /** Undefined for a control message, which a new connection makes anew. */
  readonly input: Uint8Array | undefined;
}

/**
 * Keystrokes on their way to the shell. Input typed while disconnected is held; input that the browser
 * had accepted and not yet put on the wire when the connection died is taken back and held too.
 */
export class InputLog {
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #sent: SentFrame[] = [];

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** False when there is no room: nothing of `input` is kept, so that no half of a command ever runs. */
  hold(input: Uint8Array): boolean {
    if (this.#heldBytes + input.length > MAX_HELD_BYTES) return false;
    this.#held.push(input);
    this.#heldBytes += input.length;
    return true;
  }

  /** All held input, in the order typed. */
  release(): Uint8Array[] {
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    return held;
  }

  sentInput(input: Uint8Array): void {
    this.#remember({ bytes: input.length, input });
  }

  sentControl(bytes: number): void {
    this.#remember({ bytes, input: undefined });
  }

  /** The connection died with `unsentBytes` never put on the wire; a frame sent in part never arrives. */
  connectionLost(unsentBytes: number): void {
    const takenBack: Uint8Array[] = [];
    let unsent = unsentBytes;
    while (unsent > 0) {
      const frame = this.#sent.pop();
      if (!frame) break;
      unsent -= frame.bytes;
      if (frame.input) takenBack.unshift(frame.input);
    }
    this.#sent = [];
    this.#held = [...takenBack, ...this.#held];
    this.#heldBytes = this.#held.reduce((sum, input) => sum + input.length, 0);
  }

  #remember(frame: SentFrame): void {
    this.#sent.push(frame);
    if (this.#sent.length > MAX_REMEMBERED) this.#sent.shift();
  }
}
