/**
 * BENCH 9: from an instructor's removal of a learner until the learner's terminal is closed and their token
 * refused: at the same server, at another of its database that is notified, at one that only polls, and on
 * a worker; beside a bare NOTIFY on the same PostgreSQL.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SeatSession } from '@clarateach/contract/join';
import { BEARER_PROTOCOL_PREFIX, CLOSE_REMOVED, TERMINAL_PROTOCOL } from '@clarateach/contract/terminal';
import type { WorkshopDetails } from '@clarateach/contract/workshop';
import { startPostgres } from '@clarateach/server/store/testing';
import { freePort } from '@clarateach/server/testing/free-port';
import pg from 'pg';
import WebSocket, { WebSocketServer } from 'ws';
import { compare, type Result, save } from './harness.ts';
import { connectInstructor, type Instructor } from './platform.ts';

const SECRET = 'what the servers of this benchmark share';
const AGENT_TOKEN = 'the-token-of-this-worker';
/** How the server's own connection for notifications introduces itself. */
const LISTENER = 'clarateach signals';
const GIVE_UP_MS = 30_000;
const ASK_EVERY_MS = 5;
const TARGET = 'itself ≤ 1000 ms';

await using stage = new AsyncDisposableStack();
const directory = await mkdtemp(join(tmpdir(), 'clarateach-bench-'));
stage.defer(() => rm(directory, { recursive: true, force: true }));
await standInSeats();
const postgres = stage.adopt(await startPostgres(), (each) => each.stop());
const databaseUrl = await postgres.create();
const deaf = await withoutNotifications(databaseUrl);

const first = await start('server', { DATABASE_URL: databaseUrl });
const [notified, polling] = await Promise.all([
  start('server', { DATABASE_URL: databaseUrl }),
  start('server', { DATABASE_URL: deaf }),
]);
const instructor = await connectInstructor(first.url, first.signIn);

// The worker has the keys of its server from its start on, and so learners go to it straight.
const workerPort = String(await freePort());
const workers = [{ address: `127.0.0.1:${workerPort}`, token: AGENT_TOKEN }];
const over = await start('server', { WORKER_AGENTS: JSON.stringify(workers) });
const worker = await start('agent', { PORT: workerPort, SERVER_URL: over.url, AGENT_TOKEN });

const bare = await bareNotifications();
const results: Result[] = [];
for (const [name, by, server, endpoint] of [
  ['the same server', instructor, first.url, first.url],
  ['another server, notified', instructor, notified.url, notified.url],
  ['another server, polling', instructor, polling.url, polling.url],
  ['a worker', await connectInstructor(over.url, over.signIn), over.url, worker.url],
] as const) {
  const workshop = await by.workshop(1);
  const measure = () => removal({ by, workshop, server, endpoint });
  // The first of all loads what the others find loaded.
  await measure();
  results.push(
    await compare({
      name: `a removed learner is out at ${name}`,
      unit: 'ms',
      product: { name: 'ClaraTeach', measure },
      peer: { name: 'bare NOTIFY', measure: bare },
      target: TARGET,
    }),
  );
  await by.remove(workshop.id);
}
await save('revocation', results);

interface Place {
  readonly by: Instructor;
  readonly workshop: WorkshopDetails;
  /** The server at which learners join. */
  readonly server: string;
  /** Where their traffic has to go. */
  readonly endpoint: string;
}

/** A learner who has just joined. */
async function learner({ workshop: { code }, server, endpoint }: Place): Promise<SeatSession> {
  const deadline = performance.now() + GIVE_UP_MS;
  let odehash: string | undefined;
  for (;;) {
    const answer = await fetch(new URL('/api/join', server), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ code, name: 'Mallory', odehash }),
    });
    if (answer.ok) {
      const session = (await answer.json()) as SeatSession;
      if (new URL(session.endpoint).port === new URL(endpoint).port) return session;
      // Learners are sent to a worker once it has been heard to have the server's keys.
      odehash = session.odehash;
    }
    // Or the seat is being reset after the last removal.
    if (performance.now() > deadline) throw new Error(`Nobody can join at ${endpoint}: ${answer.status}`);
    if (!answer.bodyUsed) await answer.body?.cancel();
    await delay(ASK_EVERY_MS);
  }
}

/** Milliseconds from the instructor's request until terminal and files of a new learner are shut. */
async function removal(place: Place): Promise<number> {
  const { endpoint, seat, token } = await learner(place);
  const base = `${endpoint}/vm/${seat}`;
  const files = async () => {
    const answer = await fetch(`${base}/files?path=.`, { headers: { authorization: `Bearer ${token}` } });
    await answer.body?.cancel();
    return answer.status;
  };
  const terminal = new WebSocket(`${base.replace(/^http/, 'ws')}/terminal`, [
    TERMINAL_PROTOCOL,
    BEARER_PROTOCOL_PREFIX + token,
  ]);
  await once(terminal, 'open');
  if ((await files()) !== 200) throw new Error('The token does not pass before the removal.');
  const closed = once(terminal, 'close').then(([code]) => ({ code: code as number, at: performance.now() }));
  const refused = async () => {
    for (;;) {
      const status = await files();
      if (status === 403) return performance.now();
      // A request that was under way is broken off with 503.
      if (performance.now() - began > GIVE_UP_MS) {
        throw new Error(`A removed learner is still answered ${status}.`);
      }
      await delay(ASK_EVERY_MS);
    }
  };
  const began = performance.now();
  const [{ code, at }, refusedAt] = await Promise.all([
    closed,
    refused(),
    place.by.api('POST', `/api/workshops/${place.workshop.id}/seats/${seat}/remove`),
  ]);
  if (code !== CLOSE_REMOVED) throw new Error(`The terminal was closed with ${code}.`);
  return Math.max(at, refusedAt) - began;
}

/** Milliseconds from a notification to its arrival at another connection. */
async function bareNotifications(): Promise<() => Promise<number>> {
  const clients = [new pg.Client(databaseUrl), new pg.Client(databaseUrl)] as const;
  for (const client of clients) {
    stage.defer(() => client.end());
    await client.connect();
  }
  const [speaker, hearer] = clients;
  await hearer.query('listen bench');
  return async () => {
    const heard = once(hearer, 'notification');
    const began = performance.now();
    await speaker.query("select pg_notify('bench', '')");
    await heard;
    return performance.now() - began;
  };
}

/** A way to the database on which nobody can wait for notifications, as through a pooler of transactions. */
async function withoutNotifications(url: string): Promise<string> {
  const { hostname, port: target } = new URL(url);
  const door = createTcpServer((client) => {
    client.on('error', () => client.destroy());
    client.once('data', (introduction) => {
      if (introduction.includes(LISTENER)) {
        client.destroy();
        return;
      }
      const database = connect(Number(target), hostname);
      database.on('error', () => client.destroy());
      database.on('close', () => client.destroy());
      client.on('close', () => database.destroy());
      database.write(introduction);
      client.pipe(database).pipe(client);
    });
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  stage.defer(() => void door.close());
  const deaf = new URL(url);
  deaf.port = String((door.address() as AddressInfo).port);
  return deaf.href;
}

/** What lies behind all seats: a terminal that says nothing, and files that are none. */
async function standInSeats(): Promise<void> {
  for (const seatPort of [3001, 3002]) {
    const server: Server = createServer((_request, response) => response.end('{"entries":[]}'));
    const terminals = new WebSocketServer({ server });
    terminals.on('connection', (socket) => socket.on('error', () => {}));
    server.listen(join(directory, `${seatPort}.sock`));
    await once(server, 'listening');
    stage.defer(() => {
      for (const socket of terminals.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
    });
  }
}

async function start(
  program: 'server' | 'agent',
  settings: Readonly<Record<string, string>>,
): Promise<{ url: string; signIn: string }> {
  const { DATABASE_URL: _database, ...inherited } = process.env;
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./revocation-process.ts', import.meta.url)), program, directory],
    {
      env: {
        ...inherited,
        DATA_DIR: await mkdtemp(join(directory, `${program}-`)),
        PORT: '0',
        LOG_LEVEL: 'fatal',
        WORKSPACE_TOKEN_SECRET: SECRET,
        ...settings,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  stage.defer(async () => {
    child.kill('SIGTERM');
    if (child.exitCode === null) await once(child, 'exit');
  });
  return announced(child);
}

async function announced(child: ChildProcess): Promise<{ url: string; signIn: string }> {
  if (!child.stdout) throw new Error('The program has no output.');
  for await (const line of createInterface({ input: child.stdout })) {
    child.stdout.resume();
    return JSON.parse(line) as { url: string; signIn: string };
  }
  throw new Error('The program ended before it was ready.');
}
