import type { FileChange } from '@clarateach/contract/files';
import { BEARER_PROTOCOL_PREFIX, CLOSE_TOKEN_EXPIRED, FILES_PROTOCOL } from '@clarateach/contract/terminal';
import { reconnectDelayMs } from '../terminal/reconnect-schedule.ts';

type Listener = (changes: readonly FileChange[]) => void;

/** Changes of one moment are told together: unpacking an archive must not redraw the tree for each file. */
const GATHER_MS = 80;
const STABLE_MS = 5_000;

/** Told instead of single changes when some may have been missed. */
const EVERYTHING: FileChange = { type: 'change', path: '', kind: 'overflow' };

/** Watches the seat's files over a WebSocket that comes back by itself; after a gap it says `overflow`. */
export class FileChanges {
  readonly #open: () => Promise<WebSocket>;
  readonly #listeners = new Set<Listener>();
  #socket: WebSocket | undefined;
  #gathered: FileChange[] = [];
  #gatherTimer: ReturnType<typeof setTimeout> | undefined;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #attempt = 0;
  #closed = false;
  #token: string | undefined;
  /** The token that the last connection was closed for. */
  #refused: string | undefined;

  constructor(access: (refused?: string) => Promise<{ url: string; token: string }>) {
    this.#open = async () => {
      const { url, token } = await access(this.#refused);
      this.#refused = undefined;
      this.#token = token;
      return new WebSocket(url, [FILES_PROTOCOL, BEARER_PROTOCOL_PREFIX + token]);
    };
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Connects, if it is not connected. */
  start(): void {
    this.#closed = false;
    if (this.#socket) return;
    clearTimeout(this.#retryTimer);
    this.#open().then(
      (socket) => this.#attach(socket),
      () => this.#retry(),
    );
  }

  /** Connects anew: a connection that is there may be dead without having been told. */
  restart(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close(1000);
    this.start();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#gatherTimer);
    this.#gatherTimer = undefined;
    this.#socket?.close(1000);
    this.#socket = undefined;
  }

  #attach(socket: WebSocket): void {
    if (this.#closed || this.#socket) {
      socket.close(1000);
      return;
    }
    this.#socket = socket;
    let openedAt = 0;
    socket.onopen = () => {
      openedAt = Date.now();
      this.#gather(EVERYTHING);
    };
    socket.onmessage = ({ data }) => {
      const change = typeof data === 'string' ? readChange(data) : undefined;
      if (change) this.#gather(change);
    };
    socket.onclose = ({ code }) => {
      if (this.#socket !== socket) return;
      if (code === CLOSE_TOKEN_EXPIRED) this.#refused = this.#token;
      this.#socket = undefined;
      if (openedAt > 0 && Date.now() - openedAt > STABLE_MS) this.#attempt = 0;
      this.#retry();
    };
  }

  #retry(): void {
    if (this.#closed) return;
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => this.start(), reconnectDelayMs(this.#attempt, Math.random));
  }

  #gather(change: FileChange): void {
    this.#gathered.push(change);
    this.#gatherTimer ??= setTimeout(() => {
      this.#gatherTimer = undefined;
      const changes = this.#gathered;
      this.#gathered = [];
      for (const listener of this.#listeners) listener(changes);
    }, GATHER_MS);
  }
}

function readChange(text: string): FileChange | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { type, path, kind } = value as Partial<FileChange>;
    return type === 'change' && typeof path === 'string' && kind !== undefined
      ? { type, path, kind }
      : undefined;
  } catch {
    return undefined;
  }
}
