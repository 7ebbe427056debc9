const BLOCK_BYTES = 64 * 1024;
/** Retired blocks that wait to be used again; more than that go to the garbage collector. */
const SPARE_BLOCKS = 2;

interface Block {
  readonly buffer: Buffer;
  /** Offset of the block's first byte. */
  start: number;
  used: number;
  /** Socket writes that still read from the block; it is not overwritten before they end. */
  pins: number;
}

/** A contiguous piece of kept output. `release` once the bytes are no longer needed. */
export interface Piece {
  readonly bytes: Buffer;
  release(): void;
}

/**
 * The last output of a shell, addressed by absolute byte offset. Memory is bounded by the number of
 * blocks; pieces are views into them, so that sending to several viewers copies nothing.
 */
export class OutputLog {
  readonly #maxBlocks: number;
  readonly #blocks: Block[] = [];
  readonly #spare: Block[] = [];
  #head: number;
  #tail: number;

  /** `start` is the offset of the first byte; at least `keptBytes` of output are kept. */
  constructor(options: { start: number; keptBytes: number }) {
    this.#maxBlocks = Math.ceil(options.keptBytes / BLOCK_BYTES) + 1;
    this.#head = options.start;
    this.#tail = options.start;
  }

  /** Offset of the next byte to come. */
  get head(): number {
    return this.#head;
  }

  /** Offset of the oldest byte that is still kept. */
  get tail(): number {
    return this.#tail;
  }

  append(data: Uint8Array): void {
    let taken = 0;
    while (taken < data.length) {
      const last = this.#blocks.at(-1);
      const block = last !== undefined && last.used < BLOCK_BYTES ? last : this.#grow();
      const count = Math.min(data.length - taken, BLOCK_BYTES - block.used);
      block.buffer.set(data.subarray(taken, taken + count), block.used);
      block.used += count;
      taken += count;
      this.#head += count;
    }
  }

  /** At most `max` bytes from `offset`, which lies between tail and head; fewer where a block ends. */
  read(offset: number, max: number): Piece {
    const first = this.#blocks[0];
    if (first === undefined || offset < this.#tail || offset >= this.#head) {
      throw new RangeError(`offset ${offset} is not kept (${this.#tail} to ${this.#head})`);
    }
    const block = this.#blocks[Math.floor((offset - first.start) / BLOCK_BYTES)] as Block;
    const from = offset - block.start;
    block.pins += 1;
    return {
      bytes: block.buffer.subarray(from, Math.min(block.used, from + max)),
      release: () => {
        block.pins -= 1;
      },
    };
  }

  #grow(): Block {
    if (this.#blocks.length >= this.#maxBlocks) {
      const oldest = this.#blocks.shift() as Block;
      this.#tail = oldest.start + BLOCK_BYTES;
      // A pinned block is left to the socket that still reads it, and then to the garbage collector.
      if (oldest.pins === 0 && this.#spare.length < SPARE_BLOCKS) this.#spare.push(oldest);
    }
    const block = this.#spare.pop() ?? {
      buffer: Buffer.allocUnsafeSlow(BLOCK_BYTES),
      start: 0,
      used: 0,
      pins: 0,
    };
    block.start = this.#head;
    block.used = 0;
    this.#blocks.push(block);
    return block;
  }
}
