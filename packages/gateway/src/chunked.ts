import { MalformedResponse } from './http-head.ts';

const MAX_LINE_BYTES = 4096;
const SIZE = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/s;
const CR = 13;
const LF = 10;

/** Takes the chunked coding off a body. Extensions and trailers are dropped. */
export class ChunkedDecoder {
  #state: 'size' | 'data' | 'after-data' | 'trailer' | 'done' = 'size';
  #remaining = 0;
  #line = '';

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Hands on the data in `chunk`; returns how many of its bytes belong to the body. */
  feed(chunk: Buffer, onData: (data: Buffer) => void): number {
    let at = 0;
    while (at < chunk.length && this.#state !== 'done') {
      if (this.#state === 'data') {
        const end = Math.min(chunk.length, at + this.#remaining);
        onData(chunk.subarray(at, end));
        this.#remaining -= end - at;
        at = end;
        if (this.#remaining === 0) this.#state = 'after-data';
        continue;
      }
      const feed = chunk.indexOf(LF, at);
      const end = feed < 0 ? chunk.length : feed + 1;
      this.#line += chunk.toString('latin1', at, end);
      at = end;
      if (this.#line.length > MAX_LINE_BYTES) throw new MalformedResponse('chunk line too long');
      if (feed >= 0) this.#endLine();
    }
    return at;
  }

  #endLine(): void {
    const line = this.#line;
    this.#line = '';
    if (line.length < 2 || line.charCodeAt(line.length - 2) !== CR) {
      throw new MalformedResponse('chunk line without CR');
    }
    const text = line.slice(0, -2);
    if (this.#state === 'after-data') {
      if (text !== '') throw new MalformedResponse('chunk longer than it says');
      this.#state = 'size';
    } else if (this.#state === 'trailer') {
      if (text === '') this.#state = 'done';
    } else {
      const size = SIZE.exec(text);
      if (!size) throw new MalformedResponse('malformed chunk size');
      this.#remaining = Number.parseInt(size[1] as string, 16);
      this.#state = this.#remaining === 0 ? 'trailer' : 'data';
    }
  }
}
