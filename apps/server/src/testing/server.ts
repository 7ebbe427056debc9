import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreateWorkshopBody, WorkshopDetails } from '@clarateach/contract/workshop';
import { instantProvider } from '@clarateach/seats/providers/doubles';
import { type Config, readConfig } from '../config.ts';
import { createServer, type Overrides, type RunningServer } from '../main.ts';
import { createPeople } from '../people/people.ts';
import { openDatabase } from '../store/database.ts';
import { createSealing } from '../tokens/sealing.ts';

export const TEST_SECRET = 'a secret of the tests, 32 letters';

/** A client with a cookie or a token, or with neither. */
export interface TestClient {
  readonly headers: Readonly<Record<string, string>>;
  request(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** The JSON of an answer that has the status; fails with the answer's text otherwise. */
  json<T = Record<string, unknown>>(status: number, method: string, path: string, body?: unknown): Promise<T>;
}

export interface TestServer extends RunningServer {
  readonly config: Config;
  readonly logLines: string[];
  /** Mail, as it is shown where there is no mail server. */
  readonly printed: string[];
  readonly anyone: TestClient;
  as(headers: Record<string, string>): TestClient;
  /** Somebody who came by a sign-in link: the first admin, or whoever has the address. */
  signedIn(link: string): Promise<TestClient>;
  /** A sign-in link that an operator makes beside the server. */
  linkFor(email: string): Promise<string>;
  createWorkshop(client: TestClient, body?: Partial<CreateWorkshopBody>): Promise<WorkshopDetails>;
}

/** The whole server on a free port with seats that are ready at once, in a directory that goes with it. */
export async function testServer(options: {
  readonly env?: Record<string, string>;
  readonly overrides?: Overrides;
}): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'clarateach-server-'));
  const config = readConfig({
    PORT: '0',
    DATA_DIR: directory,
    LOG_LEVEL: 'info',
    WORKSPACE_TOKEN_SECRET: TEST_SECRET,
    ...options.env,
  });
  const logLines: string[] = [];
  const printed: string[] = [];
  let server: RunningServer;
  try {
    server = await createServer(config, {
      providers: new Map([['local', instantProvider()]]),
      log: { write: (line) => void logLines.push(line) },
      print: (text) => void printed.push(text),
      ...options.overrides,
    });
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const base = `http://127.0.0.1:${server.port}`;
  const as = (headers: Record<string, string>) => testClient(base, headers);
  return {
    ...server,
    config,
    logLines,
    printed,
    anyone: as({}),
    as,
    async signedIn(link) {
      const { pathname, search } = new URL(link);
      const response = await as({}).request('GET', pathname + search);
      const cookies = response.headers.getSetCookie().map((cookie) => cookie.split(';', 1)[0]);
      if (cookies.length === 0) throw new Error(`The link gave no cookie: ${response.status}`);
      return as({ cookie: cookies.join('; ') });
    },
    async linkFor(email) {
      const { database: location } = config;
      const database = openDatabase(
        location.kind === 'sqlite' ? { ...location, access: 'shared' } : location,
      );
      try {
        return await createPeople({
          database,
          publicUrl: server.url,
          secret: createSealing(TEST_SECRET).derive('sessions'),
          now: Date.now,
          onError: (error) => {
            throw error;
          },
        }).signInLink(email);
      } finally {
        await database.close();
      }
    },
    createWorkshop: (client, body = {}) =>
      client.json(201, 'POST', '/api/workshops?wait=ready', { name: 'Claude CLI Basics', seats: 2, ...body }),
    async close() {
      await server.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** A client of whatever listens at the origin. */
export function testClient(base: string, headers: Record<string, string>): TestClient {
  return {
    headers,
    request: (method, path, body, more = {}) =>
      fetch(new URL(path, base), {
        method,
        redirect: 'manual',
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
          ...more,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    async json<T>(status: number, method: string, path: string, body?: unknown): Promise<T> {
      const response = await this.request(method, path, body);
      const text = await response.text();
      if (response.status !== status) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return JSON.parse(text) as T;
    },
  };
}
