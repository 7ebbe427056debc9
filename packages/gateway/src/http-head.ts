/** The head of an HTTP/1 message as it stands: `headers` alternates names and values, as node:http's `rawHeaders`. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: readonly string[];
  /** Bytes of body that follow, `chunked`, or `close`: all until the connection ends. Says nothing of HEAD, 204 and 304. */
  readonly framing: number | 'chunked' | 'close';
  /** Whether the connection can carry another request afterwards. */
  readonly keepAlive: boolean;
  /** Lower-case names that `Connection` lists, for this hop alone; undefined when it lists none of note. */
  readonly hopNames: ReadonlySet<string> | undefined;
}

/** What came does not read as HTTP/1.1, or reads in more than one way. */
export class MalformedResponse extends Error {}

export const MAX_HEAD_BYTES = 32 * 1024;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: .*)?$/;
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const LENGTH = /^\d{1,15}$/;

/** The names in a `Connection` header; undefined for the everyday ones, which need no list. */
export function connectionNames(value: string): ReadonlySet<string> | undefined {
  const lower = value.toLowerCase();
  if (lower === 'keep-alive' || lower === 'close' || lower === 'upgrade') return undefined;
  return new Set(lower.split(',').map((name) => name.trim()));
}

/**
 * Reads a response head, without the empty line that ends it. Strict, because the seat's owner
 * writes it: two lengths, folded lines or odd bytes are refused, not interpreted.
 */
export function parseResponseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const status = STATUS_LINE.exec(lines[0] ?? '');
  if (!status) throw new MalformedResponse('no status line');
  const headers: string[] = [];
  let length: string | undefined;
  let chunked = false;
  let keepAlive = status[1] === '1';
  let hopNames: ReadonlySet<string> | undefined;
  for (let index = 1; index < lines.length; index++) {
    const line = lines[index] as string;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    if (colon < 1 || !NAME.test(name) || FORBIDDEN_IN_VALUE.test(value)) {
      throw new MalformedResponse('malformed header');
    }
    headers.push(name, value);
    switch (name.toLowerCase()) {
      case 'content-length':
        if (!LENGTH.test(value) || (length !== undefined && length !== value)) {
          throw new MalformedResponse('malformed content-length');
        }
        length = value;
        break;
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked') {
          throw new MalformedResponse('unknown transfer-encoding');
        }
        chunked = true;
        break;
      case 'connection': {
        hopNames = connectionNames(value);
        if (value.toLowerCase() === 'close' || hopNames?.has('close')) keepAlive = false;
        break;
      }
    }
  }
  if (chunked && length !== undefined) throw new MalformedResponse('both lengths');
  const framing = chunked ? 'chunked' : length === undefined ? 'close' : Number(length);
  return { status: Number(status[2]), headers, framing, keepAlive, hopNames };
}

/** One message's head on the wire, in latin1 so that bytes stay what they were. */
export function headBytes(firstLine: string, headers: readonly string[]): Buffer {
  let text = `${firstLine}\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    text += `${headers[index]}: ${headers[index + 1]}\r\n`;
  }
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** Collects a head from chunks; afterwards `rest` is what followed it. */
export class HeadCollector {
  #held: Buffer | undefined;

  /** The head's text and the bytes after it, once it is complete. */
  take(chunk: Buffer): { readonly text: string; readonly rest: Buffer } | undefined {
    const bytes = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0 ? bytes.length > MAX_HEAD_BYTES : end > MAX_HEAD_BYTES) {
      throw new MalformedResponse('head too large');
    }
    if (end < 0) {
      this.#held = bytes;
      return undefined;
    }
    this.#held = undefined;
    return { text: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 4) };
  }
}
