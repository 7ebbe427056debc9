import { open } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { ProviderError } from '../../provider.ts';

const ANSWER_MS = 10_000;

/** One request of Firecracker's API that answers 204, in the words of its OpenAPI description. */
export interface FirecrackerRequest {
  readonly method: 'PUT' | 'PATCH';
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface AskOptions {
  /** How long Firecracker may take to answer. */
  readonly withinMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Sends one request to the Firecracker on a Unix socket. Throws a {@link ProviderError} with
 * Firecracker's own words: `rejected` for a request that it refuses, else `unreachable`.
 */
export async function askFirecracker(
  socket: string,
  { method, path, body }: FirecrackerRequest,
  { withinMs = ANSWER_MS, signal }: AskOptions = {},
): Promise<void> {
  signal?.throwIfAborted();
  const late = AbortSignal.timeout(withinMs);
  const content = JSON.stringify(body);
  // By way of an open directory: the path of a socket holds 107 bytes, and a data directory may be deeper.
  const handle = await open(dirname(socket));
  try {
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const asked = request({
        socketPath: join('/proc/self/fd', `${handle.fd}`, basename(socket)),
        method,
        path,
        headers: {
          accept: 'application/json',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(content),
        },
        agent: false,
        signal: signal ? AbortSignal.any([signal, late]) : late,
      });
      asked.on('error', reject);
      asked.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      asked.end(content);
    });
    if (status === 204) return;
    throw new ProviderError(
      status === 400 ? 'rejected' : 'unreachable',
      `Firecracker refused ${method} ${path}: ${faultOf(text)}`,
    );
  } catch (error) {
    if (error instanceof ProviderError) throw error;
    signal?.throwIfAborted();
    throw new ProviderError('unreachable', `Firecracker does not answer (${(error as Error).message}).`, {
      cause: error,
    });
  } finally {
    await handle.close();
  }
}

/** Whether somebody listens on the socket. */
export async function listens(socket: string): Promise<boolean> {
  const handle = await open(dirname(socket));
  try {
    return await new Promise<boolean>((resolve) => {
      const connection = connect(join('/proc/self/fd', `${handle.fd}`, basename(socket)));
      connection.on('error', () => resolve(false));
      connection.on('connect', () => {
        connection.destroy();
        resolve(true);
      });
    });
  } finally {
    await handle.close();
  }
}

function faultOf(text: string): string {
  try {
    const { fault_message: fault } = JSON.parse(text) as { fault_message?: unknown };
    return typeof fault === 'string' ? fault : text;
  } catch {
    return text;
  }
}
