import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { AGENT_API_VERSION, AGENT_GATEWAY_PATH, type AgentHealth } from '@clarateach/contract/agent-api';
import { isLoopback } from '@clarateach/contract/loopback';
import { createGateway } from '@clarateach/gateway/gateway';
import type { PublicKeys } from '@clarateach/gateway/ports';
import type { SeatProvider } from '@clarateach/seats/provider';
import { z } from 'zod';
import { createApi } from './api.ts';
import type { AgentConfig } from './config.ts';
import { createConnections, refuse } from './connect.ts';
import { agentGuard } from './credentials.ts';
import { takeAgentDirectory } from './data-directory.ts';
import { AgentError } from './errors.ts';
import { openHolders, savedHolders } from './holders.ts';
import { openKeptRuntime } from './kept-runtime.ts';
import { listen } from './listener.ts';
import { createMetrics } from './metrics.ts';
import { openOwners, savedOwners } from './owners.ts';
import { openRevocations, savedRevocations } from './revocations.ts';
import { openRuntime } from './runtime.ts';
import { savedJson } from './saved-json.ts';
import { openAgentSeats } from './seats.ts';
import { openServerKeys, savedKeys } from './server-keys.ts';

/** Calls under way at the end get so long to finish. */
const DRAIN_MS = 5_000;
const PROXY_PATH = /^\/proxy\/(ws-[a-z0-9]{8})\/([1-9]\d{0,2})(?=\/)/;

/** One line of the log: what happened, and facts that hold no secret. */
export type AgentLog = (
  level: 'info' | 'warn' | 'error',
  message: string,
  facts?: Record<string, unknown>,
) => void;

export interface AgentOverrides {
  /** A provider instead of this machine's; whoever gives it closes it. */
  readonly provider?: SeatProvider;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
  readonly log?: AgentLog;
}

export interface RunningAgent {
  /** Where this machine reaches it. */
  readonly url: string;
  readonly port: number;
  /** What people should know: that there is no token, that browsers come through the server. */
  readonly notes: readonly string[];
  /** Takes no new seats, ends connections, and lets go; seats run on. A second call waits for the same end. */
  close(): Promise<void>;
}

/**
 * The agent in this process. Throws an error whose message is for people when it cannot start, and
 * then leaves nothing behind.
 */
export async function createAgent(
  config: AgentConfig,
  overrides: AgentOverrides = {},
): Promise<RunningAgent> {
  const { clock: now = Date.now, log = logLine } = overrides;
  const onError = (error: unknown): void =>
    log('warn', 'failed beside the requests', { error: String((error as Error)?.message ?? error) });
  // What is put here ends in the reverse order.
  await using starting = new AsyncDisposableStack();

  const directory = starting.adopt(takeAgentDirectory(config.dataDirectory), (each) => each.release());
  const listener = await listen(config);
  const { server, port } = listener;
  starting.defer(() => {
    server.close();
    server.closeAllConnections();
  });

  const provider =
    overrides.provider ??
    starting.adopt(
      await openKeptRuntime(config.runtime, directory, (runtime) =>
        openRuntime({ ...config, runtime }, directory, {
          chosen: (line) => log('info', line),
          worse: (line) => log('warn', line),
        }),
      ),
      (each) => each.close(),
    );
  const keys =
    config.serverUrl === undefined
      ? undefined
      : starting.adopt(
          await openServerKeys({
            serverUrl: config.serverUrl,
            saved: savedJson(join(directory.path, 'server-keys.json'), savedKeys),
            now,
            onError,
          }),
          (each) => each.close(),
        );
  const holders = await openHolders(savedJson(join(directory.path, 'holders.json'), savedHolders));
  const drain = savedJson(join(directory.path, 'drain.json'), savedDrain);
  const metrics = createMetrics();
  const onEmpty = (): void => log('info', 'The worker is empty: no seat is left, and it takes no new ones.');
  const revocations = await openRevocations({
    saved: savedJson(join(directory.path, 'revocations.json'), savedRevocations),
    now,
  });
  const seats = starting.adopt(
    await openAgentSeats({
      provider,
      capacity: config.capacity,
      holders,
      owners: await openOwners(savedJson(join(directory.path, 'owners.json'), savedOwners)),
      draining: (await drain.read())?.draining ?? false,
      onEnsured: metrics.ensured,
      onEmpty,
      onError,
    }),
    (each) => each.close(),
  );

  const ownUrl = config.publicUrl ?? (isLoopback(config.host) ? `http://localhost:${port}` : undefined);
  // Without the server's keys no token can be verified here, so browsers come through the server.
  const publicUrl = keys === undefined ? undefined : ownUrl;
  const origins = allowedOrigins(config);
  const gateway = createGateway({
    routes: seats.routes,
    keys: keys?.publicKeys ?? NO_KEYS,
    revocations: revocations.list,
    allowedOrigins: (origin) => origins.has(origin) || origin === publicUrl,
    ...(publicUrl === undefined || /^https?:\/\/[\d.:[\]]+$/.test(publicUrl)
      ? {}
      : {
          previews: {
            domain: new URL(publicUrl).host,
            scheme: publicUrl.startsWith('https:') ? ('https' as const) : ('http' as const),
            secret: randomBytes(32),
          },
        }),
    clock: now,
    connectionsPerSeat: config.connectionsPerSeat,
    onEvent: (event) => {
      if (event.type === 'refused' && event.status >= 500) {
        log('warn', 'the gateway refused a request', { code: event.code, seat: event.id });
      }
    },
  });
  const guard = agentGuard(config.token);
  const streams = createConnections({ seats, guard });
  const version = ownVersion();
  const health = (): AgentHealth => ({
    status: seats.draining ? 'draining' : seats.healthy ? 'ok' : 'failing',
    vm_count: seats.count,
    capacity: config.capacity,
    version,
    api_version: AGENT_API_VERSION,
  });
  const startedAt = now();
  const api = createApi({
    seats,
    guard,
    runtime: provider.info.name,
    health,
    async setDraining(draining) {
      await drain.write({ draining });
      if (seats.draining === draining) return;
      seats.draining = draining;
      log('info', draining ? 'Drained: no new seats are taken.' : 'New seats are taken again.', {
        seats: seats.count,
      });
      if (draining && seats.count === 0) onEmpty();
    },
    info: (installation) => ({
      id: directory.id,
      runtime: provider.info,
      ...(provider.ready === undefined ? {} : { warm: provider.ready() }),
      addresses: { listen: `${config.host}:${port}`, public_url: publicUrl ?? null },
      revocations: revocations.digest(installation),
      started_at: startedAt,
      now: now(),
      key_ids: [...(keys?.ids() ?? [])],
    }),
    revoke: revocations.take,
    async catchUp({ key_ids }) {
      await keys?.catchUp(key_ids);
      return { key_ids: [...(keys?.ids() ?? [])] };
    },
    metrics: metrics.read,
    onFailure(error, requestId) {
      if (error.status < 500) return;
      log(error.code === 'internal' ? 'error' : 'warn', error.message, {
        code: error.code,
        requestId,
        ...(error.code === 'internal' ? { cause: (error.cause as Error)?.stack ?? String(error.cause) } : {}),
      });
    },
  });

  metrics.watch({
    seats: seats.states,
    ready: () => provider.ready?.(),
    draining: () => seats.draining,
    capacity: config.capacity,
    healthy: () => seats.healthy,
    gateway,
    streams: () => streams.count,
    keysAgeMs: () => keys?.ageMs(),
  });

  /** An agent that was there before its server has no keys yet, and its first learner must not pay for it. */
  const withKeys = (go: () => void): void => {
    if (keys === undefined || keys.known) go();
    else void keys.look().then(go);
  };
  listener.serve({
    request(request, response) {
      towardsGateway(request);
      if (gateway.handles(request)) withKeys(() => gateway.request(request, response));
      else api(request, response);
    },
    upgrade(request, socket, head) {
      towardsGateway(request);
      if (request.url?.startsWith('/vms/')) streams.upgrade(request, socket, head);
      else if (gateway.handles(request)) withKeys(() => gateway.upgrade(request, socket, head));
      else refuse(socket, new AgentError('not_found', 'There is nothing at this address.'));
    },
  });
  starting.defer(async () => {
    seats.draining = true;
    const closed = once(server, 'close');
    server.close();
    await gateway.close();
    streams.close();
    server.closeIdleConnections();
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    const timer = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearInterval(sweep);
    clearTimeout(timer);
  });

  const notes = notesOf(config, publicUrl);
  log('info', 'the agent is ready', { port, runtime: provider.info.name, seats: seats.count, version });
  log('info', provider.info.note);
  for (const note of notes) log('warn', note);
  const running = starting.move();
  let ended: Promise<void> | undefined;
  return {
    url: `http://${isLoopback(config.host) ? 'localhost' : config.host}:${port}`,
    port,
    notes,
    close() {
      ended ??= running.disposeAsync();
      return ended;
    },
  };
}

/** A worker that is being drained must not take seats after a restart. */
const savedDrain = z.object({ draining: z.boolean() });
const NO_KEYS: PublicKeys = { find: () => undefined };

/** `/proxy/<workshop>/<seat>/…` is another name for what the gateway has below its own path. */
function towardsGateway(request: IncomingMessage): void {
  request.url = request.url?.replace(PROXY_PATH, `${AGENT_GATEWAY_PATH}/$1/vm/$2`);
}

/** Pages of the server may use the seats, under each name that this machine has for itself. */
function allowedOrigins({ serverUrl, corsOrigins }: AgentConfig): ReadonlySet<string> {
  const allowed = new Set(corsOrigins);
  if (serverUrl === undefined) return allowed;
  allowed.add(serverUrl);
  const { protocol, hostname, port } = new URL(serverUrl);
  if (isLoopback(hostname)) {
    for (const name of ['localhost', '127.0.0.1', '[::1]'])
      allowed.add(new URL(`${protocol}//${name}:${port}`).origin);
  }
  return allowed;
}

function notesOf(config: AgentConfig, publicUrl: string | undefined): string[] {
  const notes: string[] = [];
  if (config.token === undefined) {
    notes.push(
      `AGENT_TOKEN is not set: the agent listens on ${config.host} only, and every program of this machine may use it.`,
    );
  }
  if (config.serverUrl === undefined) {
    notes.push(
      'SERVER_URL is not set: seat tokens cannot be verified here, so learners reach their seats through the server.',
    );
  } else if (publicUrl === undefined) {
    notes.push('PUBLIC_URL is not set: learners reach their seats through the server.');
  }
  return notes;
}

const logLine: AgentLog = (level, message, facts = {}) => {
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), level, ...facts, msg: message })}\n`,
  );
};

function ownVersion(): string {
  const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'));
  return String((manifest as { version: unknown }).version);
}
