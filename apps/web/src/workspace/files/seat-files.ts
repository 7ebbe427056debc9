import type { FileEntry } from '@clarateach/contract/files';
import { responseError } from '../../api/api-error.ts';
import { reach } from '../../api/reach.ts';

export interface SeatAccess {
  readonly base: string;
  readonly token: string;
}

export interface FileContent {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Names this version of the file; sent back with a save. */
  readonly etag: string;
}

/** When a write is allowed: over exactly one version, only where nothing is, or always. */
export type WriteCondition = { readonly ifMatch: string } | 'create' | 'always';

/** The files of a seat, as WIRE.md names them; paths are relative to `/workspace`. Failures are ApiErrors. */
export interface SeatFiles {
  list(path: string): Promise<FileEntry[]>;
  read(path: string): Promise<FileContent>;
  /** Returns the ETag of what was written. */
  write(path: string, body: BodyInit, condition: WriteCondition): Promise<string>;
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  move(from: string, to: string): Promise<void>;
  /** A file's bytes, or a directory as a zip; the watcher hears how many have come, and may end it. */
  download(path: string, kind: 'file' | 'directory', watch?: DownloadWatch): Promise<Blob>;
}

export interface DownloadWatch {
  readonly signal: AbortSignal;
  readonly onBytes: (bytes: number) => void;
}

/** Where the seat is and a token for it: another one than `refused`, where that is given. */
export type SeatAccessor = (refused?: string) => Promise<SeatAccess>;

/** The seat's answer, if it is a success; a request whose token is refused is sent once more with another. */
export async function askSeat(access: SeatAccessor, path: string, init: RequestInit): Promise<Response> {
  const send = ({ base, token }: SeatAccess) =>
    reach(base + path, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), Authorization: `Bearer ${token}` },
      cache: 'no-store',
    });
  const first = await access();
  const refused = await send(first);
  // Refused before the seat has heard of it, so nothing is done twice.
  const response = refused.status === 401 ? await send(await access(first.token)) : refused;
  if (!response.ok) throw await responseError(response);
  return response;
}

export function seatFiles(access: SeatAccessor): SeatFiles {
  const call = (method: string, path: string, init: RequestInit = {}) =>
    askSeat(access, path, { ...init, method });
  const json = (body: unknown): RequestInit => ({
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const at = (route: string, path: string) => `/files${route}?path=${encodeURIComponent(path)}`;

  return {
    async list(path) {
      const response = await call('GET', at('', path));
      return ((await response.json()) as { entries: FileEntry[] }).entries;
    },
    async read(path) {
      const response = await call('GET', at('/content', path));
      return {
        bytes: new Uint8Array(await response.arrayBuffer()),
        etag: response.headers.get('ETag') ?? '',
      };
    },
    async write(path, body, condition) {
      const headers: Record<string, string> = { 'Content-Type': 'application/octet-stream' };
      if (condition === 'create') headers['If-None-Match'] = '*';
      else if (condition !== 'always') headers['If-Match'] = condition.ifMatch;
      const response = await call('PUT', at('/content', path), { headers, body });
      const etag = response.headers.get('ETag');
      if (etag !== null) return etag;
      const written = await call('GET', at('/content', path), { headers: { Range: 'bytes=0-0' } }).catch(
        () => null,
      );
      return written?.headers.get('ETag') ?? '';
    },
    async remove(path) {
      await call('DELETE', at('', path));
    },
    async makeDirectory(path) {
      await call('POST', '/files/directory', json({ path }));
    },
    async move(from, to) {
      await call('POST', '/files/move', json({ from, to }));
    },
    async download(path, kind, watch) {
      const route = kind === 'file' ? at('/content', path) : `${at('/archive', path)}&format=zip`;
      const response = await call('GET', route, watch ? { signal: watch.signal } : {});
      // Read by the browser itself, which keeps a large blob on the disk.
      if (!watch || !response.body) return response.blob();
      return new Response(response.body.pipeThrough(counted(watch.onBytes))).blob();
    },
  };
}

/** Counts what passes; tells at most ten times a second. */
function counted(
  onBytes: (bytes: number) => void,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  let bytes = 0;
  let told = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.length;
      controller.enqueue(chunk);
      if (performance.now() - told < 100) return;
      told = performance.now();
      onBytes(bytes);
    },
  });
}
