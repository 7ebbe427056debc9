import { isLoopback } from '@clarateach/contract/loopback';
import { z } from 'zod';

/** A worker that the operator names. */
export interface WorkerAgent {
  /** The agent's origin, such as `http://10.0.0.5:9090`; also the worker's name in the database. */
  readonly address: string;
  readonly token: string | undefined;
  /** Where browsers reach it; the agent's own word when left out. */
  readonly publicUrl: string | undefined;
}

const EXAMPLE = `'[{"address":"10.0.0.5:9090","token":"…"}]'`;

const entry = z.strictObject({
  address: z.string().trim().min(1),
  token: z.string().min(1).optional(),
  publicUrl: z.string().optional(),
});

/** The workers of `WORKER_AGENTS`. Throws an error that ends the sentence "WORKER_AGENTS …" and holds no token. */
export function parseWorkerAgents(value: string): readonly WorkerAgent[] {
  let json: unknown;
  try {
    json = JSON.parse(value);
  } catch {
    throw new Error(`is not JSON. Give a list such as ${EXAMPLE}.`);
  }
  if (!Array.isArray(json)) throw new Error(`is not a list. Give one such as ${EXAMPLE}.`);
  const workers = json.map((each, index) => parseWorker(each, `entry ${index + 1}`));
  const seen = new Set<string>();
  for (const { address } of workers) {
    if (seen.has(address)) throw new Error(`names ${new URL(address).host} twice. Name each worker once.`);
    seen.add(address);
  }
  return workers;
}

function parseWorker(value: unknown, where: string): WorkerAgent {
  const parsed = entry.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const named = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
    throw new Error(
      named === undefined
        ? `has in ${where} no object. Give each worker as {"address":"10.0.0.5:9090","token":"…"}.`
        : `has in ${where} a wrong "${String(named)}". A worker has "address", "token" and perhaps "publicUrl", all of them text.`,
    );
  }
  const { address, token, publicUrl } = parsed.data;
  const origin = originOf(/^https?:\/\//i.test(address) ? address : `http://${address}`);
  if (origin === undefined || (new URL(origin).port === '' && !/^https?:\/\//i.test(address))) {
    throw new Error(
      `has in ${where} the address "${hideUserinfo(address)}". Give host and port, such as 10.0.0.5:9090.`,
    );
  }
  if (token === undefined && !isLoopback(new URL(origin).hostname)) {
    throw new Error(
      `has in ${where} no "token". Give the agent's AGENT_TOKEN; only an agent on this machine may do without.`,
    );
  }
  // A header cannot carry others, and a message with the value in it would show the token.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
    throw new Error(
      `has in ${where} a "token" with spaces or special characters. Give the agent's AGENT_TOKEN.`,
    );
  }
  const publicOrigin = publicUrl === undefined ? undefined : originOf(publicUrl);
  if (publicUrl !== undefined && publicOrigin === undefined) {
    throw new Error(
      `has in ${where} the publicUrl "${hideUserinfo(publicUrl)}". Give only scheme, host and port, such as https://worker-1.example.org.`,
    );
  }
  return { address: origin, token, publicUrl: publicOrigin };
}

function originOf(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) return undefined;
  return url.pathname === '/' && !url.search && !url.hash ? url.origin : undefined;
}

function hideUserinfo(value: string): string {
  return value.replace(/\/\/[^/@]*@|^[^/@]*@/, '…@');
}
