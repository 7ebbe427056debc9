import { request } from 'node:http';
import { join } from 'node:path';
import { type DirectEndpoint, TERMINAL_PORT } from '@clarateach/contract/seat-server';
import { type ServerMessage, TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import { WebSocket } from 'ws';

/** Talks to a seat as the gateway does; for the smoke test and tests of providers. */
export interface SeatRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export function askSeat(
  endpoint: DirectEndpoint,
  port: number,
  { method = 'GET', path, headers = {}, body }: SeatRequest,
): Promise<{ status: number; body: string }> {
  const where =
    endpoint.kind === 'tcp'
      ? { host: endpoint.host, port }
      : { socketPath: join(endpoint.directory, `${port}.sock`) };
  return new Promise((resolve, reject) => {
    const asked = request({
      ...where,
      method,
      path,
      headers: { host: 'seat', ...headers },
      agent: false,
      signal: AbortSignal.timeout(30_000),
    });
    asked.on('error', reject);
    asked.on('response', (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    asked.end(body);
  });
}

/** After so long a line is typed again, and after twice as long again. */
const RETYPE_MS = 2_000;

/**
 * Runs a command in the learner's terminal and returns what it printed, one line. The command is
 * typed again until it answers: a shell that is just starting drops what it does not expect.
 */
export function inTerminal(endpoint: DirectEndpoint, command: string, timeoutMs: number): Promise<string> {
  const mark = Math.random().toString(36).slice(2, 10);
  const address =
    endpoint.kind === 'tcp'
      ? `ws://${endpoint.host}:${TERMINAL_PORT}/terminal`
      : `ws+unix:${join(endpoint.directory, `${TERMINAL_PORT}.sock`)}:/terminal`;
  const socket = new WebSocket(address, [TERMINAL_PROTOCOL]);
  let typing: NodeJS.Timeout | undefined;
  let deadline: NodeJS.Timeout | undefined;
  return new Promise<string>((resolve, reject) => {
    let output = '';
    // The typed line shows the mark in two halves, so only the answer has it whole.
    const line = `printf '%s%s<%s>\\n' ${mark.slice(0, 4)} ${mark.slice(4)} "$(${command})"\r`;
    const type = () => socket.send(Buffer.from(line));
    // A line that came before the shell is lost; a shell that is only slow would answer each one later.
    const typeAgain = (afterMs: number) => {
      type();
      typing = setTimeout(typeAgain, 2 * afterMs, 2 * afterMs);
    };
    deadline = setTimeout(
      () => reject(new Error(`No answer in the terminal; it shows ${output.slice(-500)}`)),
      timeoutMs,
    );
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`The terminal closed; it showed ${output.slice(-500)}`)));
    socket.on('open', () =>
      socket.send(JSON.stringify({ type: 'attach', cols: 200, rows: 50, after: 0, mode: 'write' })),
    );
    socket.on('message', (data, isBinary) => {
      if (!isBinary) {
        const message = JSON.parse(String(data)) as ServerMessage;
        if (message.type !== 'ready') return reject(new Error(`The terminal says ${String(data)}`));
        type();
        typing = setTimeout(typeAgain, RETYPE_MS, RETYPE_MS);
        return;
      }
      const bytes = data as Buffer;
      socket.send(JSON.stringify({ type: 'ack', bytes: bytes.length }));
      output += bytes.toString('utf8');
      const answer = new RegExp(`${mark}<([^>]*)>`).exec(output);
      if (answer) resolve(answer[1] ?? '');
    });
  }).finally(() => {
    clearTimeout(typing);
    clearTimeout(deadline);
    socket.removeAllListeners('close');
    socket.terminate();
  });
}
