/** An acknowledgement goes out after this many parsed bytes: early enough that the server never waits for it. */
const ACK_BYTES = 64 * 1024;

/**
 * Counts the shell's output over every connection: what has arrived (the `after` of the next attach)
 * and what the terminal has parsed and not yet acknowledged.
 */
export class OutputAccount {
  #received = 0;
  #connection = 0;
  #unacknowledged = 0;
  #ackBytes = ACK_BYTES;

  /** Bytes of output that have arrived since the shell began. */
  get received(): number {
    return this.#received;
  }

  /**
   * The server attached us at `offset`. `continue`: it goes on exactly where we are. `redraw`: what
   * we miss is no longer kept, so the screen must be cleared first. `other-shell`: this one has not put
   * out as much as we have, so it is not the one that we had; its screen is empty as well.
   */
  ready(
    offset: number,
    windowBytes: number,
  ): { connection: number; screen: 'continue' | 'redraw' | 'other-shell' } {
    const screen =
      offset === this.#received || this.#received === 0
        ? 'continue'
        : offset < this.#received
          ? 'other-shell'
          : 'redraw';
    this.#received = offset;
    this.#connection += 1;
    this.#unacknowledged = 0;
    // Several acknowledgements must fit into a window, or the server stops between two of them.
    this.#ackBytes = Math.max(1, Math.min(ACK_BYTES, Math.floor(windowBytes / 8)));
    return { connection: this.#connection, screen };
  }

  arrived(bytes: number): void {
    this.#received += bytes;
  }

  /**
   * The terminal has parsed `bytes` that came over `connection`. Returns the bytes to acknowledge
   * now, or 0. A server counts per connection: bytes of an earlier one are nobody's any more.
   */
  parsed(connection: number, bytes: number): number {
    if (connection !== this.#connection) return 0;
    this.#unacknowledged += bytes;
    if (this.#unacknowledged < this.#ackBytes) return 0;
    const acknowledge = this.#unacknowledged;
    this.#unacknowledged = 0;
    return acknowledge;
  }

  /** The shell ended: the next one counts from its own beginning. */
  forget(): void {
    this.#received = 0;
  }
}
