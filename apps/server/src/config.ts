import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { type RuntimeName, runtimeName } from '@clarateach/contract/runtime';
import { diskMiB, host, list, origin, port, wholeNumber } from '@clarateach/contract/setting-values';
import { type Environment, settingsReader } from '@clarateach/contract/settings';
import { CONNECTIONS_PER_SEAT } from '@clarateach/gateway/seat-links';
import { type MicrovmSettings, readMicrovmSettings } from '@clarateach/seats/providers/microvm/settings';
import { type AccountSettings, readAccountSettings } from './people/settings.ts';
import { parseWorkerAgents, type WorkerAgent } from './workers/worker-agents.ts';

export type DatabaseLocation =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'postgresql'; readonly url: string };

export type RuntimeChoice =
  /** Docker where an engine works, else local. */
  { readonly kind: 'auto' } | { readonly kind: 'fixed'; readonly name: RuntimeName };

export type SecretLocation =
  /** The newest first; the others only open what they sealed. */
  | { readonly kind: 'given'; readonly secrets: readonly string[] }
  /** Made at the first start, readable by its owner alone. */
  | { readonly kind: 'file'; readonly path: string };

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Everything the server is told from outside. Nothing else reads the environment. */
export interface Config {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** An origin such as `https://teach.example.org`; undefined: `http://localhost:<port>`. */
  readonly publicUrl: string | undefined;
  readonly dataDirectory: string;
  readonly database: DatabaseLocation;
  readonly secret: SecretLocation;
  /** Further origins whose pages may use the API and the seats. */
  readonly corsOrigins: readonly string[];
  readonly runtime: RuntimeChoice;
  readonly microvm: MicrovmSettings;
  readonly logLevel: LogLevel;
  /** Whose `X-Forwarded-For` is believed: nobody's, everybody's, so many hops, or these addresses. */
  readonly trustProxy: boolean | number | readonly string[];
  /** Machines that run the seats instead of this one; none: this one runs them. */
  readonly workers: readonly WorkerAgent[];
  /** How long lines of the audit log are kept. */
  readonly auditDays: number;
  /** How long a worker may be silent before its seats are brought up on others. */
  readonly moveAfterMs: number;
  /** How people get accounts and sign in, and mail. */
  readonly accounts: AccountSettings;
  /** Connections that one network address may hold; 0: any number, which is so behind a trusted proxy. */
  readonly connectionsPerAddress: number;
  /** Requests under way and WebSockets that one seat may have. */
  readonly connectionsPerSeat: number;
  /** What a docker seat may keep in /workspace; undefined: as much as fits. */
  readonly seatDiskMiB: number | undefined;
}

/**
 * The settings of the server, checked. `PORT`, `HOST`, `PUBLIC_URL`, `DATA_DIR`, `DATABASE_URL`,
 * `WORKSPACE_TOKEN_SECRET`, `WORKSPACE_TOKEN_SECRET_OLD`, `AUDIT_DAYS`, `CORS_ORIGINS`, `RUNTIME`, `IMAGES_DIR`, `BRIDGE_NAME`, `BRIDGE_IP`, `SOCKET_DIR`, `WARM_SEATS`, `LOG_LEVEL`, `TRUST_PROXY`,
 * `WORKER_AGENTS`, `WORKER_LOST_SECONDS`, `MAX_CONNECTIONS_PER_ADDRESS`,
 * `MAX_CONNECTIONS_PER_SEAT`, `SEAT_DISK_GIB` and those of `people/settings.ts`; others are left alone. An empty value counts as none. Throws a `ConfigError` that names all that is wrong.
 */
export function readConfig(env: Environment, workingDirectory: string = process.cwd()): Config {
  const { read, problem, check } = settingsReader(env);
  const proxies = read<Config['trustProxy']>('TRUST_PROXY', false, trustProxy);
  const dataDirectory = read('DATA_DIR', workingDirectory, (value) => resolve(workingDirectory, value));
  const oldSecrets = read<readonly string[]>('WORKSPACE_TOKEN_SECRET_OLD', [], (value) =>
    list(value).map(secret),
  );
  const settings: Omit<Config, 'accounts'> = {
    port: read('PORT', 8080, port),
    host: read('HOST', '127.0.0.1', host),
    publicUrl: read<string | undefined>('PUBLIC_URL', undefined, origin),
    dataDirectory,
    database: read<DatabaseLocation>(
      'DATABASE_URL',
      { kind: 'sqlite', file: join(dataDirectory, 'clarateach.db') },
      (value) => database(value, workingDirectory),
    ),
    secret: read<SecretLocation>(
      'WORKSPACE_TOKEN_SECRET',
      { kind: 'file', path: join(dataDirectory, 'secret.key') },
      (value) => ({ kind: 'given', secrets: [secret(value), ...oldSecrets] }),
    ),
    corsOrigins: read<readonly string[]>('CORS_ORIGINS', [], (value) => list(value).map(origin)),
    runtime: read<RuntimeChoice>('RUNTIME', { kind: 'auto' }, runtime),
    microvm: readMicrovmSettings(read, workingDirectory),
    logLevel: read<LogLevel>('LOG_LEVEL', 'info', logLevel),
    trustProxy: proxies,
    workers: read<readonly WorkerAgent[]>('WORKER_AGENTS', [], parseWorkerAgents),
    auditDays: read('AUDIT_DAYS', 365, wholeNumber(AUDIT_DAYS)),
    moveAfterMs: read('WORKER_LOST_SECONDS', 60_000, (value) => wholeNumber(LOST_SECONDS)(value) * 1000),
    // Behind a proxy all connections are the proxy's, which knows whose they are.
    connectionsPerAddress: read(
      'MAX_CONNECTIONS_PER_ADDRESS',
      proxies === false ? 2_000 : 0,
      wholeNumber({ ...CONNECTIONS, least: 0 }),
    ),
    connectionsPerSeat: read(
      'MAX_CONNECTIONS_PER_SEAT',
      CONNECTIONS_PER_SEAT,
      wholeNumber({ ...CONNECTIONS, least: 16 }),
    ),
    seatDiskMiB: read<number | undefined>('SEAT_DISK_GIB', undefined, diskMiB),
  };
  const config: Config = {
    ...settings,
    accounts: readAccountSettings(read, { ...settings, problem }),
  };
  if (oldSecrets.length > 0 && config.secret.kind === 'file') {
    problem(
      'WORKSPACE_TOKEN_SECRET_OLD is set without WORKSPACE_TOKEN_SECRET. Give the new secret too, or neither: then secret.key in DATA_DIR has both.',
    );
  }
  if (config.seatDiskMiB !== undefined && config.workers.length > 0) {
    problem(
      'SEAT_DISK_GIB is set beside WORKER_AGENTS, where it bounds nothing: this server runs no seats. Set it for each agent instead.',
    );
  }
  check();
  return config;
}

const AUDIT_DAYS = { least: 1, most: 3650, what: 'the days for which the audit log is kept' };
const LOST_SECONDS = {
  least: 5,
  most: 86_400,
  what: "the seconds after which a silent worker's seats are moved",
};
const CONNECTIONS = { most: 1_000_000, what: 'how many connections may be open' };

/** Says nothing of the value itself: it may hold a password. */
function database(value: string, workingDirectory: string): DatabaseLocation {
  if (/^postgres(ql)?:/i.test(value)) {
    const url = URL.parse(value);
    if (!url || url.hostname === '' || url.pathname.length < 2) {
      throw new Error(
        'is not a PostgreSQL address. Give postgresql://user:password@host:5432/database, with special characters of the password percent-encoded.',
      );
    }
    return { kind: 'postgresql', url: value };
  }
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(value)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== 'sqlite' && scheme !== 'file') {
    throw new Error(
      `begins with ${scheme}:, which no database here answers to. Give postgresql://… or the path of an SQLite file.`,
    );
  }
  const path = value.replace(/^(sqlite|file):(\/\/(?=\/|\.))?/i, '');
  if (path === '' || path === ':memory:' || path.startsWith('//')) {
    throw new Error(
      'names no SQLite file. Give a path such as ./clarateach.db; a database in memory would lose its workshops.',
    );
  }
  return { kind: 'sqlite', file: resolve(workingDirectory, path) };
}

const MIN_SECRET_LENGTH = 32;

/** Says nothing of the value itself. */
function secret(value: string): string {
  if (value.length < MIN_SECRET_LENGTH) {
    throw new Error(
      `has ${value.length} characters; it needs at least ${MIN_SECRET_LENGTH}. Make one with: openssl rand -base64 32`,
    );
  }
  return value;
}

function runtime(value: string): RuntimeChoice {
  if (value === 'auto') return { kind: 'auto' };
  const name = runtimeName.safeParse(value);
  if (!name.success) throw new Error(`is "${value}". Choose auto, docker, local or firecracker.`);
  return { kind: 'fixed', name: name.data };
}

function logLevel(value: string): LogLevel {
  const level = LOG_LEVELS.find((each) => each === value.toLowerCase());
  if (!level) throw new Error(`is "${value}". Choose one of ${LOG_LEVELS.join(', ')}.`);
  return level;
}

function trustProxy(value: string): Config['trustProxy'] {
  if (/^(true|false)$/i.test(value)) return value.toLowerCase() === 'true';
  if (/^\d+$/.test(value)) return Number(value);
  const addresses = list(value);
  for (const address of addresses) {
    const [ip = '', bits] = address.split('/');
    const most = isIP(ip) === 6 ? 128 : 32;
    const named = ['loopback', 'linklocal', 'uniquelocal'].includes(address);
    const valid = isIP(ip) !== 0 && (bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most));
    if (!named && !valid) {
      throw new Error(
        `has "${address}". Give true, false, a number of proxies, or their addresses such as 10.0.0.0/8.`,
      );
    }
  }
  return addresses;
}
