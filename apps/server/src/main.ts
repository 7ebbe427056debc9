import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { AGENT_GATEWAY_PATH } from '@clarateach/contract/agent-api';
import type { WorkerView } from '@clarateach/contract/health';
import type { SeatId } from '@clarateach/contract/ids';
import { createGateway } from '@clarateach/gateway/gateway';
import type { Config } from './config.ts';
import { takeDataDirectory } from './data-directory.ts';
import { createDiskWatch } from './disk-watch.ts';
import { createColleagues } from './entry/colleagues.ts';
import { createHandOver } from './entry/hand-over.ts';
import { createRegistrations } from './entry/registrations.ts';
import { createHealth } from './health.ts';
import { createHttp, type LogDestination, mountApp } from './http/app.ts';
import { createMetrics } from './http/metrics.ts';
import { createOrigins } from './http/origins.ts';
import { createJoin } from './join/join.ts';
import { listen } from './listener.ts';
import { openStore } from './open-store.ts';
import { openAccounts } from './people/open-accounts.ts';
import { createPersonalData } from './personal-data/personal-data.ts';
import { createReconciler } from './reconciler/reconciler.ts';
import { seatSpec } from './reconciler/spec.ts';
import { openRevocations } from './removal/revocations.ts';
import { listenToServers } from './removal/signals.ts';
import { type Runtimes, readyGuests, stopSeats } from './runtimes.ts';
import { createSeatLog } from './seat-log.ts';
import { openSeatPlaces } from './seat-places.ts';
import { createSeatRoutes } from './seat-routes.ts';
import { openSecrets } from './tokens/open-secrets.ts';
import { createPreparedSeats } from './tokens/prepared-seats.ts';
import { createSeatTokens } from './tokens/seat-tokens.ts';
import { createChanges } from './workshops/changes.ts';
import { createViews } from './workshops/view.ts';
import { createWorkshops } from './workshops/workshops.ts';

const SERVER_DIRECTORY = join(import.meta.dirname, '..');
const WEB_DIRECTORY = join(SERVER_DIRECTORY, '..', 'web', 'dist');
/** Requests under way at the end get so long to finish. */
const DRAIN_MS = 2_000;
/** Where the engine keeps seats' volumes, unless it was told otherwise. */
const DOCKER_DIRECTORY = '/var/lib/docker';
const API_KEY_PURPOSE = 'workshop-api-key';

export interface Overrides {
  /** Runtimes instead of this machine's; the first is the default one. Whoever gives them closes them. */
  readonly providers?: Runtimes;
  /** What runs at the end: `stop-seats` keeps only files, for the next start; `leave-seats` (the default) all. */
  readonly atEnd?: 'stop-seats' | 'leave-seats';
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly log?: LogDestination;
  /** Where mail is shown that no mail server takes, on a developer's machine; standard output. */
  readonly print?: (text: string) => void;
  readonly webDirectory?: string;
}

export interface RunningServer {
  /** The origin that people are told. */
  readonly url: string;
  readonly port: number;
  /** Signs in once; present until an admin has a password. */
  readonly signInUrl?: string;
  /** What the seats of each runtime are like, a sentence for each. */
  readonly runtimeNotes: readonly string[];
  /** Ends everything, in order; a second call waits for the same end. */
  close(): Promise<void>;
}

/**
 * The whole server in this process. Throws an error whose message is for people when it cannot
 * start, and then leaves nothing behind but what was there.
 */
export async function createServer(config: Config, overrides: Overrides = {}): Promise<RunningServer> {
  const { clock: now = Date.now, log: destination = process.stderr } = overrides;
  // What is put here ends in the reverse order.
  await using starting = new AsyncDisposableStack();

  // A second server on one directory is told so; if the directory is new, a busy port must not leave it behind.
  const take = () =>
    starting.adopt(takeDataDirectory(config.dataDirectory), (directory) => directory.release());
  const known = existsSync(config.dataDirectory) ? take() : undefined;
  const { connectionsPerAddress, connectionsPerSeat } = config;
  const listener = starting.adopt(await listen(config, { connectionsPerAddress }), (each) =>
    each.close(DRAIN_MS),
  );
  const directory = known ?? take();

  const publicUrl = config.publicUrl ?? `http://localhost:${listener.port}`;
  const origins = createOrigins({
    publicUrl,
    guessed: config.publicUrl === undefined,
    others: config.corsOrigins,
  });
  let answer: Parameters<typeof listener.serve>[0]['request'] = () => {};
  const app = createHttp({
    config,
    server: listener.server,
    onListener: (next) => {
      answer = next;
    },
    log: destination,
  });
  const { log } = app;
  const onError = (error: unknown) => log.error({ err: error }, 'failed beside the requests');
  const seatLog = createSeatLog(log);

  const database = starting.adopt(
    await openStore(config.database, {
      onMigrated: (migration) => log.info({ migration }, 'migrated the database'),
      onConnectionError: (error) => log.warn({ err: error }, 'lost a connection to the database'),
    }),
    (each) => each.close(),
  );
  const { sealing, sealed, keys } = starting.adopt(
    await openSecrets({ secret: config.secret, database, now, onError }),
    (each) => each.close(),
  );
  const { people, provider, mailer, audit } = starting.adopt(
    await openAccounts(config.accounts, {
      ...{ database, publicUrl, secrets: sealed, now, onError },
      auditDays: config.auditDays,
      print: overrides.print ?? ((text) => void process.stdout.write(`${text}\n`)),
    }),
    (each) => each.close(),
  );

  const changes = starting.adopt(createChanges(database, onError), (each) => each.close());
  const revocations = starting.adopt(await openRevocations({ database, now, onError }), (each) =>
    each.close(),
  );
  starting.adopt(
    listenToServers(config.database, {
      onWorkshop(id) {
        // Tokens first: connections end with the reason before the seat goes.
        revocations
          .look()
          .catch(onError)
          .finally(() => changes.notify(id));
      },
      onKeys: keys.look,
    }),
    (each) => each.close(),
  );
  const { runtimes, workers } = overrides.providers
    ? { runtimes: overrides.providers, workers: undefined }
    : starting.adopt(
        await openSeatPlaces(config, {
          database,
          changes,
          revocations: revocations.list,
          keys,
          now,
          log,
          onError,
        }),
        (each) => each.close(),
      );
  // Seats on workers are the workers' to keep.
  if (overrides.atEnd === 'stop-seats' && !workers) {
    starting.defer(() => stopSeats(runtimes, seatLog.notStopped));
  }

  const workerViews = (): readonly WorkerView[] => workers?.view() ?? [];
  const metrics = createMetrics();
  const disks = starting.adopt(
    createDiskWatch({
      places: { data: config.dataDirectory, ...(runtimes.has('docker') ? { docker: DOCKER_DIRECTORY } : {}) },
      onChange: seatLog.disk,
      onError,
    }),
    (each) => each.close(),
  );
  const routes = starting.adopt(createSeatRoutes({ database, changes, onError }), (each) => each.close());
  /** The origin of the agent that has the seat; undefined where the server itself has it. */
  const agentOf = (id: SeatId): string | undefined => {
    const endpoint = routes.find(id)?.endpoint;
    return endpoint?.kind === 'agent' ? endpoint.agent : undefined;
  };
  const seatTokens = createSeatTokens({
    keys,
    now,
    vmIp: (seat) => hostOf(agentOf(seat)),
    notBefore: revocations.list.notBefore,
  });
  const preparedSeats = starting.adopt(
    createPreparedSeats({ routes, issue: seatTokens.issue, isHonoured: seatTokens.isHonoured, now, onError }),
    (each) => each.close(),
  );
  const workshops = createWorkshops({
    database,
    changes,
    views: createViews(publicUrl),
    now,
    seal: (apiKey) => sealing.seal(API_KEY_PURPOSE, apiKey),
    runtimes: () => [...runtimes.keys()],
    onRevoked: (revocation) => revocations.list.add([revocation]),
  });
  const reconciler = starting.adopt(
    createReconciler({
      database,
      changes,
      providers: runtimes,
      providerOf: (runtime) => workers?.providerOf(runtime) ?? runtimes.get(runtime),
      server: `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`,
      now,
      spec: (work) => seatSpec(work, { open: (sealed) => sealing.open(API_KEY_PURPOSE, sealed) }),
      onStep: (step, id, failure) => {
        metrics.reconcilerStep(step, failure?.kind ?? 'ok');
        seatLog.step(step, id, failure);
      },
      onError: seatLog.notLookedAfter,
      onSuperviseError: onError,
    }),
    (each) => each.close(),
  );

  const gateway = createGateway({
    routes,
    keys: keys.publicKeys,
    revocations: revocations.list,
    allowedOrigins: (origin, request) => origins.allows(origin, request.headers),
    previews: {
      domain: origins.domain,
      scheme: publicUrl.startsWith('https:') ? 'https' : 'http',
      secret: sealed.previews,
    },
    ...(workers ? { agentToken: workers.token, installation: workers.installation } : {}),
    clock: now,
    connectionsPerSeat,
    onEvent: seatLog.gateway,
  });
  const closing = new AbortController();
  starting.defer(async () => {
    listener.stopAccepting();
    closing.abort();
    await gateway.close();
    await listener.close(DRAIN_MS);
  });

  const registrations = createRegistrations({
    ...{ database, changes, publicUrl, now, onError },
    ...(mailer.kind === 'none' ? {} : { sendMail: mailer.send }),
  });
  const version = serverVersion();
  await mountApp(app, {
    origins,
    workshops,
    join: createJoin({ database, changes, now, nextOdehash: preparedSeats.odehash }),
    people,
    provider,
    audit,
    database,
    personalData: createPersonalData({
      database,
      audit,
      changes,
      onRevoked: (revocation) => revocations.list.add([revocation]),
      onMovedUp: (workshop, rows) => void registrations.tellMovedUp(workshop, rows),
      now,
    }),
    registrations,
    handOver: createHandOver({ database, changes, publicUrl, now }),
    colleagues: createColleagues({ database, now }),
    seatTokens: {
      ...seatTokens,
      issue: async (subject) => preparedSeats.take(subject) ?? seatTokens.issue(subject),
    },
    jwks: keys.jwks,
    metrics,
    metricSources: {
      ...{ overview: () => workshops.overview(), workers: workerViews, gateway, disks: disks.look },
      ready: () => readyGuests(runtimes),
    },
    health: createHealth({ database, runtimes, workers: workerViews, version, now }),
    version,
    seatBase(id, reachedAt) {
      const agent = agentOf(id);
      const direct = agent === undefined ? undefined : workers?.publicUrl(agent, reachedAt);
      return `${direct ?? reachedAt}${AGENT_GATEWAY_PATH}/${id.workshop}`;
    },
    workers: workerViews,
    workerOrigins: () => workers?.publicUrls() ?? [],
    webDirectory: overrides.webDirectory ?? WEB_DIRECTORY,
    closing: closing.signal,
    now,
  });
  await routes.load();
  const signInUrl = (await people.needsFirstSignIn()) ? await people.signInLink() : undefined;

  listener.serve({
    request: (request, response) =>
      gateway.handles(request) ? gateway.request(request, response) : answer(request, response),
    upgrade: (request, socket, head) => {
      if (gateway.handles(request)) gateway.upgrade(request, socket, head);
      else socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    },
  });
  reconciler.start();
  directory.serves(publicUrl);
  log.info({ url: publicUrl, host: config.host, port: listener.port, version }, 'the server is ready');

  const running = starting.move();
  let ended: Promise<void> | undefined;
  return {
    url: publicUrl,
    port: listener.port,
    ...(signInUrl === undefined ? {} : { signInUrl }),
    runtimeNotes: [...runtimes.values()].map(({ info }) => info.note),
    close() {
      ended ??= running.disposeAsync();
      return ended;
    },
  };
}

function hostOf(agent: string | undefined): string {
  return agent === undefined ? '' : new URL(agent).hostname;
}

function serverVersion(): string {
  const manifest = JSON.parse(readFileSync(join(SERVER_DIRECTORY, 'package.json'), 'utf8'));
  return String((manifest as { version: unknown }).version);
}
